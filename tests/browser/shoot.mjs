// Pictures of mails to look at: node shoot.mjs FOLDER NAME…, of FOLDER/NAME.html at 375 and 1280 px, light, dark and without
// pictures; NAME.webp, a small sheet of them all; and NAME-whole.webp, all of it on a phone in columns; as in docs/images. The
// files come from `POSTROUND_LOOK=FOLDER cargo test --test it render::`.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dress, launch, open } from "./browser.mjs";

const LOOKS = [
    ["375", { width: 375, scale: 2 }],
    ["375-dark", { width: 375, dark: true, scale: 2 }],
    ["375-blocked", { width: 375, pictures: false, scale: 2 }],
    ["1280", { width: 1280 }],
    ["1280-dark", { width: 1280, dark: true }],
    ["1280-blocked", { width: 1280, pictures: false }],
];
/** How wide a mail is shown on a sheet, and how much of the picture's width that is: of a wide one, the middle is enough. */
const SHOWN = { 375: { width: 188, of: 375 }, 1280: { width: 300, of: 800 } };
const SHEET = { height: 720, gap: 12, quality: 40 };
/** How a whole mail is shown: in columns of that size. */
const COLUMN = { width: 250, height: 840 };

const [folder, ...names] = process.argv.slice(2);
const browser = await launch();
for (const name of names) {
    const taken = [];
    for (const [suffix, look] of LOOKS) {
        const page = await open(browser, join(folder, `${name}.html`), look);
        await dress(page);
        const path = join(folder, `${name}-${suffix}.png`);
        await page.screenshot({ path, fullPage: true });
        await page.close();
        taken.push({ path, full: look.width, ...SHOWN[look.width] });
    }
    await writeFile(join(folder, `${name}.webp`), await sheet(taken));
    await writeFile(join(folder, `${name}-whole.webp`), await columns(taken[0].path));
}
await browser.close();

/** Pictures beside each other on a grey ground. */
function beside(gap) {
    return `body{margin:${gap}px;background:#d8d8d8;display:flex;gap:${gap}px}img{display:block}`;
}

/** All of a picture, from top to bottom in columns. */
async function columns(path) {
    const { gap, quality } = SHEET;
    const { width, height } = COLUMN;
    const data = await readFile(path, "base64");
    const page = await browser.newPage();
    await page.setContent(`<img style="width:${width}px" src="data:image/png;base64,${data}">`);
    const full = await page.$eval("img", (image) => image.height);
    const count = Math.ceil(full / height);
    const shown = (at) => `width:${width}px;margin-top:${-at * height}px`;
    const column = (_, at) => `<div><img style="${shown(at)}" src="data:image/png;base64,${data}"></div>`;
    const style = `${beside(gap)}div{width:${width}px;height:${height}px;overflow:hidden}`;
    await page.setViewport({ width: count * (width + gap) + gap, height: height + 2 * gap });
    await page.setContent(`<style>${style}</style>${Array.from({ length: count }, column).join("")}`);
    const picture = await page.screenshot({ type: "webp", quality });
    await page.close();
    return picture;
}

/** The pictures beside each other. */
async function sheet(taken) {
    const { height, gap, quality } = SHEET;
    const shown = async ({ path, width, of, full }) => {
        const drawn = (full * width) / of;
        const data = await readFile(path, "base64");
        const style = `width:${drawn}px;margin-left:${(width - drawn) / 2}px`;
        return `<div style="width:${width}px"><img style="${style}" src="data:image/png;base64,${data}"></div>`;
    };
    const style = `${beside(gap)}div{max-height:${height}px;overflow:hidden}`;
    const page = await browser.newPage();
    await page.setViewport({ width: taken.reduce((sum, { width }) => sum + width + gap, gap), height: height + 2 * gap });
    await page.setContent(`<style>${style}</style>${(await Promise.all(taken.map(shown))).join("")}`);
    const picture = await page.screenshot({ type: "webp", quality });
    await page.close();
    return picture;
}
