// What a page does beyond its links and forms: after a part of it has been changed in place, the place that changed is
// read out from its heading on.
document.addEventListener("htmx:after:swap", () => {
  const heading = document.querySelector("[data-focus]");
  if (heading) {
    heading.setAttribute("tabindex", "-1");
    heading.focus();
  }
});
