// What the bundle brings in place of data of the toolchain, of a function of newer C libraries and of an order of set-up.
#include <stdint.h>
#include <sys/random.h>

// An ICU data package without entries, as ICU's own build uses one before there are any: locales are then the root locale alone. 34 MB of
// the toolchain's are data of languages and regions. PACKAGE is what the linker's --wrap makes of the name that ICU asks for.
extern const struct {
  uint16_t headerBytes;
  uint8_t magic[2];
  struct {
    uint16_t bytes, reserved;
    uint8_t isBigEndian, charset, charBytes, reserved2, format[4], formatVersion[4], dataVersion[4];
  } about;
  uint8_t padding[8];
  uint32_t entries[4];
} PACKAGE;

const typeof(PACKAGE) PACKAGE __attribute__((aligned(16))) = {
  .headerBytes = 32, .magic = {0xda, 0x27}, .about = {20, 0, 0, 0, 2, 0, {'T', 'o', 'C', 'P'}, {1, 0, 0, 0}, {0}}};

// glibc has it from 2.36 on.
uint32_t arc4random(void) {
  uint32_t value;
  while (getrandom(&value, sizeof value, 0) != sizeof value) {}
  return value;
}

// As a shared library OpenBLAS is set up before our own set-up calls it; as an archive only by this. It does nothing the second time.
void gotoblas_init(void);
__attribute__((constructor(101))) static void first(void) { gotoblas_init(); }
