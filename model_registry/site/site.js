"use strict";
/* Tables are sorted by the column whose heading is pressed, the other way round when it is pressed again. */
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows];
  const order = new Intl.Collator("en", { numeric: true });
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const isAscending = head.getAttribute("aria-sort") === "descending";
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
    const text = (row) => row.cells[column].textContent.trim();
    const compared = (one, other) => {
      const [a, b] = [Number(text(one)), Number(text(other))];
      return text(one) && text(other) && !Number.isNaN(a) && !Number.isNaN(b) ? a - b : order.compare(text(one), text(other));
    };
    rows.sort((one, other) => (isAscending ? compared(one, other) : compared(other, one)));
    table.tBodies[0].append(...rows);
  }));
}
/* Two versions that are chosen lead to the page that compares them. */
for (const form of document.querySelectorAll("form.compare")) {
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [one, other] = [form.one, form.other].map((each) => Number(each.value)).sort((a, b) => a - b);
    location.href = one === other ? `${one}.html` : `${one}-${other}.html`;
  });
}
