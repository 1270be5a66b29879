// What a page does beyond HTML and htmx: it says moments in the reader's zone, and fetches again
// what the server says has changed.
"use strict";
(() => {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const moments = (root) => {
    for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
      time.title = time.textContent;
      time.textContent = format.format(new Date(time.dateTime));
      time.dataset.local = "";
    }
  };

  // A click is where the pointer goes down and comes up again: what is taken away in between gets
  // none.
  let pressed = false;
  const press = (down) => () => {
    pressed = down;
  };
  document.addEventListener("pointerdown", press(true), true);
  for (const up of ["pointerup", "pointercancel", "dragend"]) {
    document.addEventListener(up, press(false), true);
  }
  window.addEventListener("blur", press(false));
  // Nor is what a person is writing taken away.
  const WRITTEN = "input:focus, textarea:focus, select:focus";
  const isUsed = (part) => pressed || part.contains(document.querySelector(WRITTEN));

  // Parts of the page that say data-live, each once in data-every milliseconds at most.
  const EVERY = 250;
  const parts = () => document.querySelectorAll("[data-live]");
  const keys = (part) => part.dataset.live.split(" ").filter(Boolean);
  const last = new Map();
  const refresh = (part) => {
    const id = part.id;
    const state = last.get(id) ?? { at: 0, timer: 0 };
    last.set(id, state);
    if (state.timer) return;
    state.timer = setTimeout(() => {
      state.timer = 0;
      state.at = Date.now();
      const now = document.getElementById(id);
      if (!now) return;
      if (isUsed(now)) refresh(now);
      else htmx.trigger(now, "live");
    }, Math.max(0, state.at + (Number(part.dataset.every) || EVERY) - Date.now()));
  };
  document.addEventListener("htmx:beforeSwap", (event) => {
    const part = event.detail.target;
    // What comes every few seconds comes again by itself.
    if (!part.matches("[data-live], [hx-trigger*=every]") || !isUsed(part)) return;
    event.detail.shouldSwap = false;
    if (part.matches("[data-live]")) refresh(part);
  });

  const AGAIN = 5000;
  let source = null;
  let wanted = "";
  const listen = () => {
    const all = [...new Set([...parts()].flatMap(keys))].sort();
    const query = all.map((key) => "key=" + encodeURIComponent(key)).join("&");
    if (document.hidden) {
      source?.close();
      source = null;
      return;
    }
    if (source && query === wanted) return;
    source?.close();
    wanted = query;
    if (all.length === 0) return;
    let opened = false;
    source = new EventSource("/live?" + query);
    source.addEventListener("open", () => {
      // Nobody knows what was missed while nothing listened.
      if (opened) parts().forEach(refresh);
      opened = true;
    });
    source.addEventListener("error", (event) => {
      // A browser tries again by itself, but not after an answer that is none, as while the console
      // is started anew or when the session has ended.
      if (event.target !== source || source.readyState !== EventSource.CLOSED) return;
      source = null;
      setTimeout(() => {
        parts().forEach(refresh);
        listen();
      }, AGAIN);
    });
    source.addEventListener("changed", (event) => {
      for (const part of parts()) {
        const has = keys(part);
        const kind = event.data.split("/")[0] + "s";
        if (event.data === "all" || has.includes(event.data) || has.includes(kind)) refresh(part);
      }
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    moments(document);
    listen();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) parts().forEach(refresh);
    listen();
  });
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status !== 401 || document.getElementById("ended")) return;
    const banner = document.createElement("p");
    banner.id = "ended";
    banner.className = "banner warning";
    banner.setAttribute("role", "status");
    banner.textContent =
      "Your session has ended. Log in in another tab and go on here, or load the page again.";
    document.getElementById("main").before(banner);
  });
  document.addEventListener("htmx:afterSettle", () => {
    moments(document);
    listen();
  });
})();
