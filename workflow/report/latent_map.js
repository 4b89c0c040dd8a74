// The interactive map of the report: places, classes and thumbnails lie beside it as JSON.
"use strict";
(() => {
  const room = document.getElementById("latent-map");
  const data = JSON.parse(document.getElementById("latent-map-data").textContent);
  const canvas = room.querySelector("canvas");
  const panel = room.querySelector(".panel");
  const pen = canvas.getContext("2d");
  const sprite = new Image();
  const view = { scale: 1, x: 0, y: 0 };
  let chosen = -1;

  const place = (i) => [
    canvas.width * (0.5 + view.scale * (data.x[i] - view.x)),
    canvas.height * (0.5 - view.scale * (data.y[i] - view.y)),
  ];

  function colour(i) {
    const mode = room.querySelector("select").value;
    if (mode === "errors") return data.predicted[i] === data.label[i] ? "#b9c0c7" : "#d55e00";
    // From orange (unsure) to blue (sure).
    if (mode === "confidence") return `hsl(${30 + 180 * data.confidence[i]} 75% 45%)`;
    return data.colours[data.label[i] % data.colours.length];
  }

  function draw() {
    const size = data.tile * Math.min(1, view.scale / 6);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.x.length; i++) {
      const [x, y] = place(i);
      pen.fillStyle = pen.strokeStyle = colour(i);
      if (size < 12) {
        pen.beginPath();
        pen.arc(x, y, 4, 0, 7);
        pen.fill();
      } else {
        thumbnail(pen, i, x - size / 2, y - size / 2, size);
        pen.lineWidth = 3;
        pen.strokeRect(x - size / 2, y - size / 2, size, size);
      }
    }
    if (chosen < 0) return;
    pen.strokeStyle = "#000";
    pen.lineWidth = 2;
    for (const i of [chosen, ...data.neighbours[chosen]]) {
      const [x, y] = place(i);
      pen.beginPath();
      pen.arc(x, y, i === chosen ? 11 : 7, 0, 7);
      pen.stroke();
    }
  }

  function thumbnail(target, i, x, y, size) {
    const across = data.columns, tile = data.tile;
    target.drawImage(
      sprite, (i % across) * tile, Math.floor(i / across) * tile, tile, tile, x, y, size, size);
  }

  function card(i) {
    const figure = document.createElement("figure");
    const picture = figure.appendChild(document.createElement("canvas"));
    picture.width = picture.height = 2 * data.tile;
    thumbnail(picture.getContext("2d"), i, 0, 0, 2 * data.tile);
    const text = figure.appendChild(document.createElement("figcaption"));
    const said = data.predicted[i] === data.label[i] ? "right" : data.classes[data.predicted[i]];
    const sure = Math.round(100 * data.confidence[i]);
    text.textContent = `${data.classes[data.label[i]]}; network: ${said}, ${sure} %`;
    return figure;
  }

  function show(i) {
    chosen = i;
    panel.replaceChildren(card(i));
    const rest = panel.appendChild(document.createElement("div"));
    rest.append("Nearest neighbours:", ...data.neighbours[i].map(card));
    draw();
  }

  function under(event) {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) * canvas.width) / box.width,
      ((event.clientY - box.top) * canvas.height) / box.height,
    ];
  }

  canvas.addEventListener("click", (event) => {
    const [x, y] = under(event);
    let best = -1, least = 20;
    for (let i = 0; i < data.x.length; i++) {
      const [px, py] = place(i);
      const distance = Math.hypot(px - x, py - y);
      if (distance < least) [best, least] = [i, distance];
    }
    if (best >= 0) show(best);
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [x, y] = under(event);
    const factor = Math.exp(-event.deltaY / 500);
    const scale = Math.min(60, Math.max(1, view.scale * factor));
    // What lies under the pointer stays there.
    view.x += (x / canvas.width - 0.5) * (1 / view.scale - 1 / scale);
    view.y -= (y / canvas.height - 0.5) * (1 / view.scale - 1 / scale);
    view.scale = scale;
    draw();
  }, { passive: false });
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons !== 1) return;
    view.x -= event.movementX / canvas.clientWidth / view.scale;
    view.y += event.movementY / canvas.clientHeight / view.scale;
    draw();
  });
  room.querySelector("select").addEventListener("change", draw);
  sprite.addEventListener("load", () => show(0));
  sprite.src = data.sprite;
})();
