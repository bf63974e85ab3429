// The style sheet of a report: one column, system fonts, colours with a contrast of 4.5 or more for text.

let reportStyle = """
  :root {
    --page: #fbfbfa; --surface: #ffffff; --text: #1c1e21; --muted: #5c6269; --line: #e2e4e7; --accent: #1f5fa8;
    --highlight: #eef4fb;
    --series-1: #1f5fa8; --series-2: #c2571a; --series-3: #2c7a4b; --series-4: #8a3d91; --series-5: #8a6d00;
    --series-6: #5c6269;
  }
  @media (prefers-color-scheme: dark) {
    :root {
      --page: #16181b; --surface: #1d2024; --text: #e6e8ea; --muted: #a2a9b1; --line: #33383e; --accent: #7db4f0;
      --highlight: #1f2c3a;
      --series-1: #7db4f0; --series-2: #f0a06a; --series-3: #74c796; --series-4: #d39ad9; --series-5: #d9bd55;
      --series-6: #a2a9b1;
    }
  }
  * { box-sizing: border-box; }
  html { -webkit-text-size-adjust: 100%; }
  body {
    margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.25rem 4rem; background: var(--page); color: var(--text);
    font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  }
  h1 { font-size: 1.75rem; line-height: 1.25; letter-spacing: -0.01em; margin: 0; overflow-wrap: anywhere; }
  h2 { font-size: 1.125rem; line-height: 1.35; margin: 0 0 0.25rem; }
  header p { margin: 0.35rem 0 0; color: var(--muted); }
  section { margin-top: 2.5rem; }
  section p { margin: 0.5rem 0; max-width: 44rem; }
  ul { margin: 0.5rem 0; padding-left: 1.25rem; max-width: 44rem; }
  .note, small { color: var(--muted); font-size: 0.8125rem; }
  .cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 0.75rem; margin: 1.75rem 0 0; }
  .card { background: var(--surface); border: 1px solid var(--line); border-radius: 8px; padding: 0.8rem 1rem; }
  .card dt { color: var(--muted); font-size: 0.8125rem; }
  .card dd { margin: 0; font-size: 1.5rem; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; }
  .card dd.note { font-size: 0.8125rem; font-weight: 400; }
  .scroll {
    overflow-x: auto; margin-top: 0.6rem; background: var(--surface); border: 1px solid var(--line); border-radius: 8px;
  }
  .scroll:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  table { border-collapse: collapse; width: 100%; font-size: 0.9375rem; }
  th, td { padding: 0.5rem 1rem; text-align: left; vertical-align: baseline; font-variant-numeric: tabular-nums; }
  thead th { color: var(--muted); font-size: 0.8125rem; font-weight: 600; white-space: nowrap; }
  tbody tr { border-top: 1px solid var(--line); }
  tbody th { font-weight: 400; }
  .number { text-align: right; white-space: nowrap; }
  .number small { display: block; }
  tr.highlight { background: var(--highlight); }
  tr.highlight th { font-weight: 600; }
  .chart {
    position: relative; height: 18rem; margin-top: 0.6rem; padding: 0.75rem 1rem; background: var(--surface);
    border: 1px solid var(--line); border-radius: 8px;
  }
  details { margin-top: 0.4rem; }
  .curve .scroll { max-height: 22rem; overflow-y: auto; }
  .curve thead th { position: sticky; top: 0; background: var(--surface); box-shadow: 0 1px var(--line); }
  .curve th, .curve td { padding-top: 0.25rem; padding-bottom: 0.25rem; font-size: 0.8125rem; }
  summary { color: var(--muted); font-size: 0.8125rem; cursor: pointer; width: max-content; }
  code { font-family: ui-monospace, "SF Mono", Consolas, monospace; font-size: 0.9em; }
  @media (max-width: 32rem) {
    body { padding: 1.5rem 0.9rem 3rem; }
    h1 { font-size: 1.4rem; }
    .cards { grid-template-columns: repeat(2, 1fr); gap: 0.5rem; }
    th, td { padding: 0.45rem 0.7rem; }
    .chart { height: 15rem; padding: 0.5rem; }
  }
  @media print {
    section { break-inside: avoid; }
    .curve .scroll { max-height: none; }
  }
  """
