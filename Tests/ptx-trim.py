"""PTX of clang for NVIDIA's driver library: stdin to stdout; the first argument is LLVM text of the same program, the second
how many registers a work-item may have, if that is bounded, the third the target.

Functions that nothing calls and tables that nothing reads go, with comments; OpenCL's marks on targets and parameters go; each kernel gets the
size of its work-groups, which clang leaves out: the assembler divides the registers by it. Without a bound, that one group at a time will do keeps
it from spilling registers for more. Marks on parameters stay for sm_90a, whose texts NVIDIA's OpenCL takes as PTX too.
"""
import re
import sys


def group_sizes(llvm):
    numbers = dict(re.findall(r"^!(\d+) = !\{((?:i32 \d+(?:, )?){3})\}", llvm, re.M))
    return {
        name: re.sub(r"i32 ", "", numbers[node])
        for name, node in re.findall(r"^define .*?void @(\w+)\(.*!reqd_work_group_size !(\d+)", llvm, re.M)
        if node in numbers
    }


def blocks(text):
    """The text as declarations and whole functions."""
    whole, depth = [], 0
    for line in text.splitlines():
        line = re.sub(r"//.*", "", line).rstrip()
        if not line.strip():
            continue
        if depth or (whole and not whole[-1][-1].endswith((";", "}")) and not whole[-1][-1].startswith((".version", ".target", ".address"))):
            whole[-1].append(line)
        else:
            whole.append([line])
        depth += line.count("{") - line.count("}")
    return ["\n".join(lines) for lines in whole]


def name_of(block):
    found = re.match(r"\.func\s+(?:\([^)]*\)\s*)?(\w+)", block) or re.match(r"\.(?:const|global)\b.*?\b(\w+)\[", block)
    return found and found[1]


registers = f".maxnreg {sys.argv[2]}" if sys.argv[2] else ".minnctapersm 1"
is_ahead = sys.argv[3] == "sm_90a"
sizes = group_sizes(open(sys.argv[1]).read())
kept = blocks(sys.stdin.read())
while True:
    used = [b for b in kept if not (n := name_of(b)) or any(re.search(rf"\b{n}\b", other) for other in kept if other is not b)]
    if len(used) == len(kept):
        break
    kept = used
for block in kept:
    block = re.sub(r"^(\.target \w+), texmode_independent", r"\1", block)
    if is_ahead:
        block = re.sub(r"^\.version .*", ".version 8.0", block)
        block = re.sub(r"^\.target .*", ".target sm_90a", block)
    else:
        block = re.sub(r"(\.param \.u64) \.ptr(?: \.(?:global|shared|const|local))?(?: \.align \d+)?", r"\1", block)
    entry = re.match(r"(?:\.visible )?\.entry (\w+)", block)
    if entry:
        size = sizes.get(entry[1])
        if not size:
            sys.exit(f"ptx: {entry[1]} has no reqd_work_group_size")
        block = re.sub(r"\)\n\{", f")\n.reqntid {size}\n{registers}\n{{", block, count=1)
    print(block)
