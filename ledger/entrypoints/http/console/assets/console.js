// What a page does beyond its links and forms: after a part of it has been changed in place, the place that changed is
// read out from its heading on; and what somebody typed while the answer was on its way, which does not know it, stays.
const fields = () => [...document.querySelectorAll("main form :is(input:not([type=hidden]), select, textarea)[name]")];
const given = (field) => field.options
  ? ([...field.options].find((one) => one.defaultSelected) ?? field.options[0])?.value : field.defaultValue;
let sent = new Map();
let typed = new Map();
let writing = null;

document.addEventListener("htmx:before:request", ({detail}) => {
  const asks = detail.ctx.sourceElement.closest("form");
  sent = new Map(fields().map((field) => [field.name, asks ? field.value : given(field)]));
});
document.addEventListener("htmx:before:swap", () => {
  if (fields().length === 0) return; // the form went away until its answer is there
  typed = new Map(fields().map((field) => [field.name, field.value]).filter(([name, value]) => sent.get(name) !== value));
  writing = document.activeElement.name;
});
document.addEventListener("htmx:after:swap", () => {
  const heading = document.querySelector("[data-focus]");
  if (heading) {
    heading.setAttribute("tabindex", "-1");
    heading.focus();
  }
  for (const field of fields().filter((one) => typed.has(one.name))) {
    const answered = field.value;
    field.value = typed.get(field.name);
    if (field.value !== typed.get(field.name)) field.value = answered; // no such choice any more
    if (field.name === writing) field.focus();
  }
  if (fields().length > 0) typed = new Map();
});
