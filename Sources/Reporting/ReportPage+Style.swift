// swift-format-ignore-file: its lines are CSS.

extension ReportPage {
    /// `report.css`
    package static let style = ##"""
        :root {
          color-scheme: light dark;
          --back: #fafaf8; --front: #1c1c1a; --soft: #5d5d58; --line: #d5d5cf; --card: #ffffff;
          --accent: #0b5cad; --bar: #4a87c4;
          --mask: #d6006c; --box: #b07a00; --before: #7a3cc8; --truth: #00803c;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --back: #161716; --front: #eeeeea; --soft: #a9a9a2; --line: #3b3c3a; --card: #212221;
            --accent: #7db8f2; --bar: #4a87c4;
            --mask: #ff4fa3; --box: #ffc53d; --before: #b98aff; --truth: #3ddc84;
          }
        }
        * { box-sizing: border-box; }
        body { margin: 0 auto; max-width: 90rem; padding: 0 1rem 3rem; background: var(--back); color: var(--front);
          font: 1rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
        h1 { font-size: 1.5rem; margin: 1rem 0 0; }
        h2 { font-size: 1.1rem; margin: 0; }
        h3 { font-size: 1rem; margin: 0 0 .4rem; }
        .skip { position: absolute; left: -99rem; }
        .skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .5rem; z-index: 2; }
        :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
        #panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: 1rem; margin: .6rem 0; }
        .panel { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem; }
        .panel table { border-collapse: collapse; width: 100%; font-size: .9rem; }
        .panel th { text-align: left; font-weight: normal; padding: .1rem .5rem .1rem 0; }
        .panel thead th { color: var(--soft); }
        .panel td { text-align: right; white-space: nowrap; padding: .1rem 0 .1rem .5rem; font-variant-numeric: tabular-nums; }
        .panel thead th:not(:first-child) { text-align: right; padding: .1rem 0 .1rem .5rem; }
        .panel td.wide { width: 45%; }
        meter { width: 100%; height: .9rem; }
        meter::-webkit-meter-optimum-value { background: var(--bar); }
        meter::-moz-meter-bar { background: var(--bar); }
        #filters, #layers, .pages { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: end; margin: .6rem 0; }
        #layers { border: 1px solid var(--line); border-radius: .5rem; padding: .3rem .8rem .6rem; }
        #filters label { display: flex; flex-direction: column; font-size: .85rem; color: var(--soft); }
        input, select, button { font: inherit; color: var(--front); background: var(--card); border: 1px solid var(--line);
          border-radius: .35rem; padding: .35rem .6rem; min-height: 2.4rem; }
        input[type=checkbox] { min-height: auto; width: 1.1rem; height: 1.1rem; vertical-align: -.15rem; }
        input[type=number] { width: 6rem; }
        select { max-width: 14rem; }
        button { cursor: pointer; }
        button:disabled { opacity: .45; cursor: default; }
        .key { display: inline-block; width: .9rem; height: .9rem; border: 3px solid; border-radius: 2px; vertical-align: -.1rem; }
        .key.mask { border-color: var(--mask); } .key.box { border-color: var(--box); }
        .key.before { border-color: var(--before); } .key.truth { border-color: var(--truth); }
        #gallery { list-style: none; margin: 0; padding: 0; display: grid; gap: .7rem;
          grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr)); }
        .card { display: block; width: 100%; height: 100%; padding: .5rem; text-align: left; background: var(--card); }
        .picture { display: grid; height: 11rem; place-items: center; grid-template: 100% / 100%; }
        .frame { display: grid; max-width: 100%; max-height: 100%; background: #8884; }
        .frame > * { grid-area: 1 / 1; width: 100%; height: 100%; display: block; }
        .frame img { image-rendering: auto; }
        .caption { display: block; font-size: .85rem; margin-top: .35rem; }
        .caption b { font-variant-numeric: tabular-nums; }
        .caption span { color: var(--soft); display: block; }
        .hint { color: var(--soft); font-size: .85rem; }
        dialog { border: 1px solid var(--line); border-radius: .6rem; background: var(--back); color: var(--front);
          width: min(60rem, 96vw); max-height: 94vh; padding: 1rem; overflow: auto; }
        dialog::backdrop { background: #000a; }
        .bar { display: flex; gap: .5rem; align-items: center; }
        .bar h2 { flex: 1; }
        #viewer-picture { display: grid; place-items: center; margin: .8rem 0; }
        #facts { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; }
        #facts dt { color: var(--soft); } #facts dd { margin: 0; }
        @media (max-width: 34rem) {
          body { padding: 0 .6rem 2rem; }
          #gallery { grid-template-columns: repeat(2, minmax(0, 1fr)); }
          .picture { height: 9rem; }
          #filters label { flex: 1 1 40%; }
          #filters input, #filters select { width: 100%; max-width: none; }
        }

        """##
}
