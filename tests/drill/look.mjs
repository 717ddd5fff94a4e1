// Opens a page in Chromium, as wide as a telephone and as a screen, in light and in dark, and says what a reader
// would see: node look.mjs CHROMIUM PAGE [FOLDER]. JSON, an entry for each look; into FOLDER go pictures.

import { chromium } from "playwright-core";
import { pathToFileURL } from "node:url";

const [program, file, folder] = process.argv.slice(2);

function measure() {
  const box = (e) => e.getBoundingClientRect();
  const isDrawn = (e) => box(e).width > 0 && box(e).height > 0;
  const count = (selector) => [...document.querySelectorAll(selector)].filter(isDrawn).length;

  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (colors) => {
    pixel.clearRect(0, 0, 1, 1);
    for (const color of colors) {
      pixel.fillStyle = color;
      pixel.fillRect(0, 0, 1, 1);
    }
    return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (element) => {
    const grounds = [];
    for (let at = element; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
    const both = [over(grounds), over([...grounds, getComputedStyle(element).color])].map(luminance);
    return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
  };

  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || element.closest("title, style") || !isDrawn(element)) continue;
    texts.push({ text: node.textContent.trim().slice(0, 40), px: parseFloat(getComputedStyle(element).fontSize),
                 contrast: contrast(element) });
  }
  return {
    scrolled: document.documentElement.scrollWidth,
    wide: [...document.querySelectorAll("body *")]
      .filter((e) => !e.closest("svg") && box(e).right > innerWidth + 0.5)
      .map((e) => `${e.tagName}.${e.className}`),
    small: texts.filter((text) => text.px < 12),
    faint: texts.filter((text) => text.contrast < 4.5),
    ground: over([getComputedStyle(document.body).backgroundColor]),
    curves: [...document.querySelectorAll(".plot svg path")].map((curve) => ({
      kind: curve.getAttribute("class"), points: curve.getAttribute("d").split(/[ML]/).length - 1, length: curve.getTotalLength(),
      width: box(curve).width, plot: box(curve.closest("svg")).width, height: box(curve.closest("svg")).height })),
    articles: count("article"), verdicts: count(".verdict"), lanes: count(".lane svg"), primaries: count("rect.leader"),
    marks: document.querySelectorAll("line.mark").length, elections: document.querySelectorAll("line.elected").length,
    text: document.body.innerText,
  };
}

const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
const looks = [];
for (const width of [390, 1280]) {
  for (const colorScheme of ["light", "dark"]) {
    const page = await browser.newPage({ viewport: { width, height: 844 }, colorScheme });
    const complaints = [];
    page.on("console", (message) => complaints.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
    page.on("request", (request) => {
      if (!/^(file|data):/.test(request.url())) complaints.push(`asked for ${request.url()}`);
    });
    page.on("requestfailed", (request) => complaints.push(`cannot have ${request.url()}`));
    await page.goto(pathToFileURL(file).href);
    if (folder) await page.screenshot({ path: `${folder}/${width}-${colorScheme}.png`, fullPage: true });
    looks.push({ width, colorScheme, complaints, ...(await page.evaluate(measure)) });
    await page.close();
  }
}
await browser.close();
console.log(JSON.stringify(looks));
