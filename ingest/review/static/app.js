// Keepline's own behaviour: what is live, the dialog, toasts and keys. Everything works without
// it except that; pages are forms and links first.

const LOOK_AGAIN_MS = 400; // a burst of changes makes one look
const TOAST_MS = 20000;

const dialog = () => document.getElementById("dialog");
const isTyping = (element) =>
  element instanceof HTMLElement &&
  (element.isContentEditable || ["INPUT", "SELECT", "TEXTAREA"].includes(element.tagName));

// Live ------------------------------------------------------------------------------------------

let waiting = null;
let wasLost = false;
let pendingLook = false;

function lookAgain() {
  if (waiting !== null) return;
  waiting = setTimeout(() => {
    waiting = null;
    // What a person is reading or writing right now is not pulled away.
    const writing = isTyping(document.activeElement) && document.activeElement.closest("#live");
    const hearing = [...document.querySelectorAll("#live audio")].some((it) => !it.paused);
    if (dialog()?.open || writing || hearing) {
      pendingLook = true;
      return;
    }
    pendingLook = false;
    document.body.dispatchEvent(new CustomEvent("keepline:look"));
  }, LOOK_AGAIN_MS);
}

function pulse(state) {
  document.querySelectorAll("[data-pulse]").forEach((element) => {
    element.dataset.state = state;
    element.textContent = element.dataset[state];
  });
}

function follow() {
  if (!document.body.dataset.events) return;
  const events = new EventSource(document.body.dataset.events);
  events.addEventListener("open", () => {
    pulse("live");
    // What happened while nobody listened is on the page only after another look.
    if (wasLost) lookAgain();
    wasLost = false;
  });
  events.addEventListener("change", lookAgain);
  events.addEventListener("bye", () => {
    events.close();
    window.location.reload();
  });
  events.addEventListener("error", () => {
    wasLost = true;
    pulse("lost");
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  });
  window.addEventListener("pagehide", () => events.close(), { once: true });
}

// Most changes are of other pages. What is drawn as it was before is left alone: a recording goes on
// playing, what was unfolded stays so, and nobody's place in the page is lost.
let drawn = document.getElementById("live")?.innerHTML;
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.target.id !== "live" || event.detail.xhr.status >= 400) return;
  const page = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
  const fresh = page.getElementById("live")?.innerHTML;
  if (fresh === undefined) return;
  if (fresh === drawn) {
    event.detail.shouldSwap = false;
    const counts = page.getElementById("nav");
    const now = document.getElementById("nav");
    // The menu itself is untouched, too, unless a number in it changed.
    if (counts && now && !now.contains(document.activeElement)) now.replaceWith(counts);
  }
  drawn = fresh;
});

// The row at hand stays at hand when the list is drawn anew, and what is unfolded stays unfolded.
let heldRow = null;
let unfolded = [];
let heard = new Map();
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.target.id !== "live" || !event.detail.shouldSwap) return;
  heldRow = event.target.contains(document.activeElement)
    ? (document.activeElement.dataset.row ?? null)
    : null;
  unfolded = [...event.target.querySelectorAll("details")].map((it) => it.open);
  heard = new Map(
    [...event.target.querySelectorAll("audio")].map((it) => [it.getAttribute("src"), it.currentTime]),
  );
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "live") return;
  document.querySelectorAll("#live details").forEach((it, at) => {
    it.open = unfolded[at] ?? it.open;
  });
  document.querySelectorAll("#live audio").forEach((it) => {
    const at = heard.get(it.getAttribute("src"));
    if (at) it.currentTime = at;
  });
  if (heldRow === null) return;
  const row = document.querySelector(`[data-row="${CSS.escape(heldRow)}"]`);
  heldRow = null;
  row?.focus({ preventScroll: true });
});

// A part that asks for itself again and again is drawn anew only when its answer is another one,
// and asks for nothing while nobody looks.
const lastAnswers = new WeakMap();
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && "polls" in event.detail.target.dataset) event.preventDefault();
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.target.dataset || !("polls" in event.target.dataset)) return;
  const answer = event.detail.xhr.responseText;
  if (lastAnswers.get(event.target) === answer) event.detail.shouldSwap = false;
  lastAnswers.set(event.target, answer);
});

for (const end of ["pause", "ended"]) {
  document.addEventListener(end, () => pendingLook && lookAgain(), true);
}

// Dialog ----------------------------------------------------------------------------------------

// What is typed while the dialog is on its way belongs into it, not to the page's keys.
let typedAhead = null;
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target?.id === "dialog" && !dialog().open) typedAhead = "";
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.target?.id === "dialog" && !event.detail.successful) typedAhead = null;
});
// Settled, not only swapped: before that the new field's own requests are not listened for.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "dialog") return;
  if (!event.target.open) event.target.showModal();
  const first = event.target.querySelector("[autofocus]") ?? event.target.querySelector("button");
  first?.focus();
  if (typedAhead && isTyping(first)) {
    first.value += typedAhead;
    first.dispatchEvent(new Event("input", { bubbles: true }));
  }
  typedAhead = null;
});

document.addEventListener("close", (event) => {
  if (event.target.id !== "dialog") return;
  event.target.replaceChildren();
  if (pendingLook) lookAgain();
}, true);

document.body.addEventListener("keepline:decided", () => {
  dialog()?.close();
  document.body.dispatchEvent(new CustomEvent("keepline:look"));
});

document.addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-close], [data-help]");
  if (!pressed) {
    if (event.target === dialog()) dialog().close();
    return;
  }
  if (pressed.dataset.close === "toast") pressed.closest(".toast").remove();
  else if (pressed.dataset.close === "dialog") {
    event.preventDefault();
    dialog().close();
  } else if ("help" in pressed.dataset) help();
});

function help() {
  const box = dialog();
  box.replaceChildren(document.getElementById("help").content.cloneNode(true));
  box.showModal();
}

// Up and down within the clients found, from the field that is typed in.
document.addEventListener("keydown", (event) => {
  if (!["ArrowDown", "ArrowUp"].includes(event.key)) return;
  const sheet = event.target.closest?.(".sheet");
  if (!sheet) return;
  const stops = [...sheet.querySelectorAll("input[type=search], .result")];
  const at = stops.indexOf(document.activeElement);
  const to = stops[at + (event.key === "ArrowDown" ? 1 : -1)];
  if (at < 0 || !to) return;
  event.preventDefault();
  to.focus();
});

// Toasts ----------------------------------------------------------------------------------------

function age(toast) {
  if (toast.dataset.ages) return;
  toast.dataset.ages = "1";
  setTimeout(() => {
    // One that is being read or used stays.
    if (!toast.matches(":hover, :focus-within")) toast.remove();
    else {
      delete toast.dataset.ages;
      age(toast);
    }
  }, TOAST_MS);
}
document.addEventListener("htmx:afterSettle", () =>
  document.querySelectorAll(".toast").forEach(age),
);

// Keys ------------------------------------------------------------------------------------------

function step(by) {
  const rows = [...document.querySelectorAll("main a[data-row]")];
  if (!rows.length) return;
  const item = document.activeElement?.closest?.("li, tr");
  const at = rows.findIndex((row) => row === document.activeElement || item?.contains(row));
  const to = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by];
  to?.focus();
  to?.scrollIntoView({ block: "nearest" });
}

function press(key) {
  // What belongs to the row at hand comes before what belongs to the page.
  const near = document.activeElement?.closest?.("li, tr");
  const wanted = `[data-hotkey="${CSS.escape(key)}"]`;
  const found =
    near?.querySelector(wanted) ??
    document.querySelector(`.toasts ${wanted}`) ??
    // The latest decision stands first; nothing else in a list is meant before it is chosen.
    [...document.querySelectorAll(wanted)].find((it) => key === "u" || !it.closest("li.item")) ??
    document.querySelector(`[data-hotkey-else="${CSS.escape(key)}"]`);
  if (!found) return false;
  if (found instanceof HTMLMediaElement) {
    if (found.paused) found.play();
    else found.pause();
  } else if (isTyping(found)) found.focus();
  else found.click();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target) || dialog()?.open) return;
  if (typedAhead !== null) {
    if (event.key.length === 1) typedAhead += event.key;
    event.preventDefault();
    return;
  }
  if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "?") help();
  else if (!("/nwxeup".includes(event.key) && press(event.key))) return;
  event.preventDefault();
});

// Requests --------------------------------------------------------------------------------------

// Refusals are sentences for a person, so they are shown where the answer was to go.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const status = event.detail.xhr.status;
  if (status === 401) {
    window.location.reload();
    event.preventDefault();
  }
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const status = event.detail.xhr.status;
  if (status >= 400 && event.detail.target?.id !== "live") {
    event.detail.shouldSwap = event.detail.xhr.getResponseHeader("X-Fragment") === "1";
  }
});

follow();
