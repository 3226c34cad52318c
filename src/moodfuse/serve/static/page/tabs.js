// The tabs: a click or an arrow key opens one, and the Tab key stops at the open one alone.
export function startTabs(list) {
  const tabs = [...list.querySelectorAll('[role="tab"]')];

  function open(chosen) {
    tabs.forEach((tab) => {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    });
  }

  tabs.forEach((tab) => tab.addEventListener("click", () => open(tab)));
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(document.activeElement);
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const tab = tabs.at(next % tabs.length);
    open(tab);
    tab.focus();
  });
}
