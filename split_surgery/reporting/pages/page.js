"use strict";
// A stop for the keyboard only where there is something to scroll.
const scrolled = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const box = target.closest(".scroll");
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
});
for (const box of document.querySelectorAll(".scroll")) {
  scrolled.observe(box);
  if (box.firstElementChild) scrolled.observe(box.firstElementChild);
}
// Each check box shows and hides the lines whose ids begin as it says.
for (const group of document.querySelectorAll("fieldset")) {
  const boxes = [...group.querySelectorAll("input[data-lines]")];
  const show = (box) => {
    for (const line of group.parentElement.querySelectorAll(`[id^="${box.dataset.lines}"]`)) {
      line.style.display = box.checked ? "" : "none";
    }
  };
  for (const box of boxes) {
    box.addEventListener("change", () => show(box));
    show(box); // a browser that reloads the page may have kept what was checked
  }
  for (const button of group.querySelectorAll("button[data-all]")) {
    button.addEventListener("click", () => {
      for (const box of boxes) {
        box.checked = button.dataset.all === "on";
        show(box);
      }
    });
  }
  group.hidden = false;
  group.parentElement.querySelector(".key").classList.add("printed");
}
// What is folded away is printed, too.
for (const [event, open] of [["beforeprint", true], ["afterprint", false]]) {
  addEventListener(event, () => {
    for (const one of document.querySelectorAll(open ? "details:not([open])" : "details[data-printed]")) {
      one.open = open;
      one.toggleAttribute("data-printed", open);
    }
  });
}
