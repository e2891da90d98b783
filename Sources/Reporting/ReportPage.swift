import Files

// swift-format-ignore-file: its lines are HTML.

/// The page of a report. It holds no data: what it shows comes from the folder's data files, so its
/// bytes are the same in every report.
enum ReportPage {
    /// A file that tells a report's folder from others.
    static let marker = OutputFolder.reportMarker
}

extension ReportPage {
    /// `index.html`. The policy in its head forbids whatever is not in the folder.
    static let html = ##"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="generator" content="mal report">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src 'self' file:; base-uri 'none'; form-action 'none'">
        <title>Masks – mal report</title>
        <link rel="stylesheet" href="report.css">
        </head>
        <body>
        <a class="skip" href="#gallery">Skip to the masks</a>
        <header>
        <h1>Masks</h1>
        <p id="about">Reading the data…</p>
        <noscript><p>This page needs JavaScript; it loads nothing from the network.</p></noscript>
        </header>
        <main>
        <details id="summary" open>
        <summary>Summary</summary>
        <div id="panels"></div>
        </details>
        <form id="filters" aria-label="Filters">
        <label>Search <input type="search" id="text" placeholder="file name or annotation id" autocomplete="off"></label>
        <label>Category <select id="category"></select></label>
        <label>Size <select id="size"><option value="">all</option><option value="0">small</option><option value="1">medium</option><option value="2">large</option></select></label>
        <label>State <select id="state"><option value="">all</option><option value="0,1">with a mask</option><option value="1">changed by clean-up</option><option value="2">without a mask</option></select></label>
        <label>Score from <input type="number" id="from" min="0" max="1" step="0.05" placeholder="0"></label>
        <label>to <input type="number" id="to" min="0" max="1" step="0.05" placeholder="1"></label>
        <label>Sort by <select id="sort"></select></label>
        <button type="reset">Clear</button>
        </form>
        <fieldset id="layers">
        <legend>Show</legend>
        <label><input type="checkbox" id="show-mask" checked> <span class="key mask"></span> mask</label>
        <label><input type="checkbox" id="show-box" checked> <span class="key box"></span> box</label>
        <label><input type="checkbox" id="show-before"> <span class="key before"></span> before clean-up</label>
        <label id="truth-layer" hidden><input type="checkbox" id="show-truth" checked> <span class="key truth"></span> truth</label>
        </fieldset>
        <p id="found" role="status" aria-live="polite"></p>
        <nav class="pages" aria-label="Pages">
        <button type="button" data-go="first">First</button>
        <button type="button" data-go="previous">Previous</button>
        <label>Page <input type="number" id="page" min="1" value="1"></label> <span id="of"></span>
        <button type="button" data-go="next">Next</button>
        <button type="button" data-go="last">Last</button>
        </nav>
        <ul id="gallery" tabindex="-1" aria-label="Masks"></ul>
        <p class="hint">Arrow keys move between masks, Enter opens one, Escape closes it; in an open one the arrows go on.</p>
        </main>
        <dialog id="viewer" aria-labelledby="viewer-title">
        <div class="bar">
        <h2 id="viewer-title"></h2>
        <button type="button" id="back" aria-label="Previous mask">←</button>
        <button type="button" id="forward" aria-label="Next mask">→</button>
        <button type="button" id="close">Close</button>
        </div>
        <div id="viewer-picture"></div>
        <dl id="facts"></dl>
        </dialog>
        <script src="report.js"></script>
        <script src="data/index.js"></script>
        </body>
        </html>

        """##
}
