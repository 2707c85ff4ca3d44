"use strict";
// Moves the edge between the two pictures. Without this script they stand beside each other,
// and the edge stays in the middle.
for (const slider of document.querySelectorAll("input[data-width]")) {
  const width = Number(slider.dataset.width);
  const clip = document.getElementById(slider.dataset.clip);
  const edge = document.getElementById(slider.dataset.edge);
  const move = () => {
    const at = Math.round((width * Number(slider.value)) / 100);
    clip.setAttribute("x", String(at));
    clip.setAttribute("width", String(width - at));
    edge.setAttribute("x", String(Math.max(0, at - 1)));
    slider.setAttribute("aria-valuetext", slider.value + " % earlier, " + (100 - slider.value) + " % later");
  };
  slider.addEventListener("input", move);
  move();
}
