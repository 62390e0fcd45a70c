// Checks mails: node mails.mjs FOLDER [--without-browser], for each FOLDER/*.html. Markup by html-validate; what mail clients
// support by the data of caniemail; accessibility by axe in Chromium, light and dark, narrow and wide; that nothing sticks out or
// is too small to touch, or lies under another link; that long words and pictures need nothing that many clients lack; and that
// Word, which old Outlook shows mails with, gets its widths and no table that is too high; and that the parts of the digest are as wide as by MJML. The files come from
// `POSTROUND_LOOK=FOLDER cargo test --test it render::`.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import axe from "axe-core";
import { HtmlValidate } from "html-validate";
import { barriers, launch, open, show } from "./browser.mjs";
import { unsupported } from "./clients.mjs";

/** A mail is shown within a page that has its own landmarks; more of them would confuse. */
const NOT_OURS = ["landmark-one-main", "region"];

/** A link is to be as high as a finger needs it; one in a sentence is excused (WCAG 2.2, 2.5.8). */
const TOUCH = 44;

/** What each link has for itself in any case. */
const OWN = 24;

/** Word tears a table that is higher than a page of its own. */
const PAGE = 1_800;

/** The mail whose widths are held against MJML's. */
const DIGEST = "typical.html";

/** How many mails are looked at beside each other. */
const AT_ONCE = 3;

const [folder, withoutBrowser] = process.argv.slice(2);
const names = (await readdir(folder)).filter((name) => name.endsWith(".html")).sort();
const rules = JSON.parse(await readFile(join(import.meta.dirname, "htmlvalidate.json"), "utf8"));
const validate = new HtmlValidate(rules);
const problems = new Set();
const browser = withoutBrowser ? undefined : await launch();

const waiting = [...names];
await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
        for (let name = waiting.shift(); name; name = waiting.shift()) {
            for (const what of await check(name)) problems.add(`${name}: ${what}`);
        }
    }),
);
if (browser && names.includes(DIGEST)) {
    const { misplaced } = await import("./widths.mjs");
    for (const what of await misplaced(browser, join(folder, DIGEST))) problems.add(`${DIGEST}: ${what}`);
}
await browser?.close();
for (const problem of [...problems].sort()) console.error(problem);
console.log(`${names.length} mails, ${problems.size} problems`);
process.exit(problems.size > 0 || names.length === 0 ? 1 : 0);

/** What is wrong with a mail. */
async function check(name) {
    const html = await readFile(join(folder, name), "utf8");
    const report = await validate.validateString(html, name);
    const faults = report.results.flatMap((result) => result.messages);
    const invalid = faults.map(({ line, ruleId, message }) => `line ${line}: ${message} (${ruleId})`);
    const seen = browser ? [...(await inBrowser(name)), ...(await inPlain(html)), ...(await inWord(html))] : [];
    return [...invalid, ...unsupported(html), ...seen];
}

async function inBrowser(name) {
    const wrong = [];
    const page = await open(browser, join(folder, name));
    await page.evaluate(axe.source);
    for (const width of [320, 375, 480, 600, 680, 1280]) {
        for (const dark of [false, true]) {
            await show(page, { width, dark });
            const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
            if (beyond > 0) wrong.push(`at ${width} px the mail is ${beyond} px too wide`);
            if (width === 375 || width === 1280) {
                for (const what of await barriers(page, NOT_OURS)) wrong.push(`at ${width} px${dark ? ", dark" : ""}: ${what}`);
            }
            if (!dark) for (const link of await covered(page)) wrong.push(`at ${width} px a tap on it opens another: ${link}`);
            if (width === 375 && !dark) for (const link of await small(page)) wrong.push(`too low to touch: ${link}`);
        }
    }
    await page.close();
    return wrong;
}

/** What is wrong where a client drops style sheets, and does not know `word-break` or cannot cut pictures. */
async function inPlain(html) {
    const plain = html.replace(/<style[\s\S]*?<\/style>/g, "").replace(/word-break:break-word;?/g, "");
    const page = await open(browser, `data:text/html;charset=utf-8,${encodeURIComponent(plain)}`, { width: 375 });
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    const squeezed = await page.evaluate(() =>
        [...document.images].filter((image) => {
            const { naturalWidth, naturalHeight, width, height, className } = image;
            const stretched = width / height / (naturalWidth / naturalHeight);
            return className.includes("pic") && naturalWidth && Math.abs(stretched - 1) > 0.05;
        }).map(({ src, width, height, naturalWidth, naturalHeight }) =>
            `${src} is ${width} × ${height} px, of ${naturalWidth} × ${naturalHeight}`),
    );
    await page.close();
    const tooWide = beyond > 0 ? [`without word-break the mail is ${beyond} px too wide at 375 px`] : [];
    return [...tooWide, ...squeezed.map((what) => `without style sheets ${what}`)];
}

/**
 * What is not as wide as the paper, or too high, where Word's conditions hold, style sheets are dropped and there is no greatest
 * width, as in old Outlook.
 */
async function inWord(html) {
    const word = html
        .replace(/<!--\[if !mso\]><!-->[\s\S]*?<!--<!\[endif\]-->/g, "")
        .replace(/<!--\[if mso\]><style>[\s\S]*?<!\[endif\]-->/g, "")
        .replace(/<!--\[if mso\]>([\s\S]*?)<!\[endif\]-->/g, "$1")
        .replace(/<style[\s\S]*?<\/style>/g, "")
        .replace(/max-width:[^;"]*/g, "");
    const page = await open(browser, `data:text/html;charset=utf-8,${encodeURIComponent(word)}`);
    const sizes = await page.evaluate(() =>
        [...document.querySelectorAll(".page")].map(({ offsetWidth, offsetHeight }) => [offsetWidth, offsetHeight]),
    );
    await page.close();
    const widths = sizes.map(([width]) => width);
    const high = sizes.map(([, height]) => height).filter((height) => height > PAGE);
    const paper = Number(/<!--\[if mso\]><table[^>]*width="(\d+)"/.exec(html)?.[1]);
    const isRight = widths.length > 0 && widths.every((width) => width === paper);
    return [
        ...(isRight ? [] : [`in Word its parts are ${widths} px wide, and not ${paper}`]),
        ...(high.length > 0 ? [`Word tears parts that are ${high} px high`] : []),
    ];
}

/** The links that lie, in the middle of a line of theirs, under a link to somewhere else. */
async function covered(page) {
    const { height } = await page.evaluate(() => ({ height: document.documentElement.scrollHeight }));
    const viewport = page.viewport();
    await page.setViewport({ ...viewport, height: Math.min(height, 30_000) });
    const found = await page.evaluate((own) => {
        const leads = (link) => link?.getAttribute("href")?.replace(/#.*/, "");
        const isCovered = (link) =>
            [...link.getClientRects()].some(({ left, right, top, bottom }) =>
                [1 - own / 2, 0, own / 2 - 1].some((off) => {
                    const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2 + off)?.closest("a");
                    return hit && leads(hit) !== leads(link);
                }),
            );
        return [...document.querySelectorAll("a")].filter(isCovered).map((link) => link.textContent.slice(0, 60));
    }, OWN);
    await page.setViewport(viewport);
    return found;
}

/** The links that a finger would miss. */
function small(page) {
    return page.evaluate((least) => {
        const isAlone = (link) => link.parentElement.textContent.trim() === link.textContent.trim();
        const links = [...document.querySelectorAll("a")].filter(isAlone);
        const heights = links.map((link) => {
            const boxes = [...link.getClientRects()];
            const bottom = Math.max(...boxes.map((box) => box.bottom));
            return [link.textContent, Math.round(bottom - Math.min(...boxes.map((box) => box.top)))];
        });
        return heights.filter(([, height]) => height < least).map(([text, height]) => `${text.slice(0, 60)} (${height} px)`);
    }, TOUCH);
}
