"use strict";
// Long texts stand in the page by gzip and in base64; what comes of one here is a Response.
const unpacked = (packed) => {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
};

(() => {
  // What a figure is made of, to save: its numbers, as CSV, and its picture, as SVG and PNG.
  const save = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  // Without this script the same links hold the compressed numbers.
  const unpack = async (event) => {
    const link = event.currentTarget;
    event.preventDefault();
    const csv = await unpacked(link.href.split(",")[1]).text();
    save(new Blob([csv], { type: "text/csv" }), link.download.replace(/\.gz$/, ""));
  };
  const packed = globalThis.DecompressionStream ? document.querySelectorAll('a.csv[download$=".gz"]') : [];
  for (const link of packed) link.addEventListener("click", unpack);

  const text = (svg) => {
    const alone = svg.cloneNode(true), [, , width, height] = svg.getAttribute("viewBox").split(" ");
    alone.setAttribute("width", (width * 4) / 3);
    alone.setAttribute("height", (height * 4) / 3);
    return new XMLSerializer().serializeToString(alone);
  };
  const asSvg = (svg, name) => save(new Blob([text(svg)], { type: "image/svg+xml" }), name + ".svg");
  const asPng = async (svg, name) => {
    const picture = new Image(), canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
    picture.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text(svg));
    await picture.decode();
    canvas.width = 3 * picture.width;
    canvas.height = 3 * picture.height;
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(blob, name + ".png"));
  };
  for (const figure of document.querySelectorAll("figure")) {
    for (const [form, write] of [["SVG", asSvg], ["PNG", asPng]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = form;
      button.setAttribute("aria-label", "save " + figure.id + " as " + form);
      button.addEventListener("click", () => write(figure.querySelector(".drawing:last-of-type svg"), figure.id));
      figure.querySelector(".data").append(button);
    }
  }
})();
