"use strict";
(() => {
  const INTERVAL = 2000;
  const button = document.getElementById("pause");
  const noAnswer = document.getElementById("no-answer");
  let paused = false;

  // A part that someone uses stays as it is.
  const isInUse = (part) => part.contains(document.activeElement) || !getSelection().isCollapsed;

  async function update() {
    const answer = await fetch("./", { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const now = fresh.getElementById(part.id);
      if (!now || isInUse(part) || now.outerHTML === part.outerHTML) continue;
      part.className = now.className;
      part.replaceChildren(...now.childNodes);
    }
    document.title = fresh.title;
    noAnswer.hidden = true;
  }

  async function tick() {
    try {
      if (!paused && !document.hidden) await update();
    } catch {
      if (noAnswer.hidden) {
        noAnswer.textContent = "qtrail does not answer: this is what was true at " + new Date().toLocaleTimeString() + ".";
        noAnswer.hidden = false;
      }
    }
    setTimeout(tick, INTERVAL);
  }

  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
  });
  setTimeout(tick, INTERVAL);
})();
