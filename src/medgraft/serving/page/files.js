// Ways in for files: dropped anywhere on the page, chosen, or pasted.

const shade = document.getElementById("drop");
const input = document.getElementById("files");
let pasted = 0;

/** Call `add` with a list of {name, file}, or {name, fault} for what is no file. */
export function startFiles(add) {
  for (const id of ["choose", "choose-first"]) {
    document.getElementById(id).addEventListener("click", () => input.click());
  }
  input.addEventListener("change", () => {
    add([...input.files].map((file) => ({ name: file.name, file })));
    input.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) add(files.map((file) => ({ name: pastedName(file), file })));
  });
  startDrop(add);
}

function startDrop(add) {
  let depth = 0; // of elements that the pointer has entered and not left
  const shadeIf = (inside) => {
    depth = inside;
    shade.classList.toggle("shown", depth > 0);
  };
  document.addEventListener("dragenter", (event) => {
    if (holdsFiles(event)) shadeIf(depth + 1);
  });
  document.addEventListener("dragleave", (event) => {
    if (holdsFiles(event)) shadeIf(Math.max(0, depth - 1));
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault(); // or the browser would leave the page for the file
    shadeIf(0);
    const files = droppedFiles(event.dataTransfer);
    if (files.length) add(files);
  });
}

function holdsFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}

function droppedFiles(transfer) {
  const files = [];
  for (const item of transfer.items) {
    if (item.kind !== "file") continue;
    const file = item.getAsFile();
    const folder = item.webkitGetAsEntry?.()?.isDirectory;
    if (folder) files.push({ name: file?.name ?? "folder", file, fault: "This is a folder; drop the images in it." });
    else if (file) files.push({ name: file.name, file });
  }
  return files;
}

/** Browsers call all that is pasted from elsewhere than a file image.png. */
function pastedName(file) {
  if (file.name && file.name !== "image.png") return file.name;
  pasted += 1;
  return `pasted ${pasted}.png`;
}
