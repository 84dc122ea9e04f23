// The table of a sweep: a click on a heading sorts its points by that column, text in the field keeps those that have it.
for (const table of document.querySelectorAll("table.sweep")) {
  const blocks = [...table.tBodies];
  const cell = (block, column) => block.rows[0].cells[column]?.textContent.trim() ?? "";
  const compare = (one, other) => {
    const [a, b] = [parseFloat(one), parseFloat(other)];
    return Number.isNaN(a) || Number.isNaN(b) ? one.localeCompare(other, undefined, { numeric: true }) : a - b;
  };
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    heading.append(button);
    button.onclick = () => {
      const falling = heading.ariaSort === "ascending";
      for (const other of table.tHead.rows[0].cells) other.ariaSort = null;
      heading.ariaSort = falling ? "descending" : "ascending";
      blocks.sort((a, b) => (falling ? -1 : 1) * compare(cell(a, column), cell(b, column)));
      table.append(...blocks);
    };
  });
  const field = document.getElementById("filter");
  field.hidden = false;
  field.oninput = () => {
    const wanted = field.value.toLowerCase().split(/\s+/);
    for (const block of blocks) {
      const text = block.textContent.toLowerCase();
      block.hidden = !wanted.every((word) => text.includes(word));
    }
  };
}
