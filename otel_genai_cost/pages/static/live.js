/* Figures come anew when the ledger has more entries: what is in `main` is replaced, and the place on the page kept. */
"use strict";
(() => {
  const shown = document.getElementById("seq");
  if (!shown || !window.EventSource) return;
  let seq = shown.dataset.seq;
  let busy = false;
  const source = new EventSource("/live");
  source.onmessage = async (event) => {
    if (event.data === seq || busy || document.hidden) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.status === 200) {
        const found = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (!document.querySelector("main :focus")) {
          for (const one of ["main", "footer"]) {
            document.querySelector(one).replaceWith(document.adoptNode(found.querySelector(one)));
          }
          seq = document.getElementById("seq").dataset.seq;
          document.dispatchEvent(new Event("figures"));
        }
      }
    } finally {
      busy = false;
    }
  };
})();
