// Checks mails: node mails.mjs FOLDER [--without-browser], for each FOLDER/*.html. Markup by html-validate; what mail clients support by the data
// of caniemail; accessibility by axe in Chromium, light and dark, narrow and wide; that nothing sticks out or is too small
// to touch; and that Word, which old Outlook shows mails with, gets its widths. The files come from `POSTROUND_LOOK=FOLDER cargo test --test it render::`.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import axe from "axe-core";
import { HtmlValidate } from "html-validate";
import { launch, open } from "./browser.mjs";
import { unsupported } from "./clients.mjs";

/** A mail is shown within a page that has its own landmarks; more of them would confuse. */
const NOT_OURS = ["landmark-one-main", "region"];

/** A link is to be as high as a finger needs it; one in a sentence is excused (WCAG 2.2, 2.5.8). */
const TOUCH = 44;

const [folder, withoutBrowser] = process.argv.slice(2);
const names = (await readdir(folder)).filter((name) => name.endsWith(".html")).sort();
const rules = JSON.parse(await readFile(join(import.meta.dirname, "htmlvalidate.json"), "utf8"));
const validate = new HtmlValidate(rules);
const problems = [];
const wrong = (name, what) => problems.push(`${name}: ${what}`);
const browser = withoutBrowser ? undefined : await launch();

for (const name of names) {
    const html = await readFile(join(folder, name), "utf8");
    const report = await validate.validateString(html, name);
    for (const { messages } of report.results) {
        for (const { line, ruleId, message } of messages) wrong(name, `line ${line}: ${message} (${ruleId})`);
    }
    for (const what of unsupported(html)) wrong(name, what);
    if (!browser) continue;
    for (const what of await wordWidths(html)) wrong(name, what);
    for (const width of [320, 375, 480, 600, 680, 1280]) {
        for (const dark of [false, true]) {
            const page = await open(browser, join(folder, name), { width, dark });
            const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
            if (beyond > 0) wrong(name, `at ${width} px the mail is ${beyond} px too wide`);
            if (width === 375 || width === 1280) {
                await page.evaluate(axe.source);
                const { violations } = await page.evaluate(
                    (off) => window.axe.run(document, { rules: Object.fromEntries(off.map((id) => [id, { enabled: false }])) }),
                    NOT_OURS,
                );
                for (const { id, help, nodes } of violations) {
                    wrong(name, `at ${width} px${dark ? ", dark" : ""}: ${help} (${id}): ${nodes[0].html.slice(0, 160)}`);
                }
            }
            if (width === 375 && !dark) for (const link of await small(page)) wrong(name, `too low to touch: ${link}`);
            await page.close();
        }
    }
}
await browser?.close();
for (const problem of new Set(problems)) console.error(problem);
console.log(`${names.length} mails, ${problems.length} problems`);
process.exit(problems.length > 0 || names.length === 0 ? 1 : 0);

/**
 * What is as wide as it should not be where Word's conditions hold, style sheets are dropped and there is no greatest width, as
 * in old Outlook.
 */
async function wordWidths(html) {
    const word = html
        .replace(/<!--\[if !mso\]><!-->[\s\S]*?<!--<!\[endif\]-->/g, "")
        .replace(/<!--\[if mso\]><style>[\s\S]*?<!\[endif\]-->/g, "")
        .replace(/<!--\[if mso\]>([\s\S]*?)<!\[endif\]-->/g, "$1")
        .replace(/<style[\s\S]*?<\/style>/g, "")
        .replace(/max-width:[^;"]*/g, "");
    const page = await open(browser, `data:text/html;charset=utf-8,${encodeURIComponent(word)}`);
    const widths = await page.evaluate(() => [...document.querySelectorAll(".page")].map((table) => table.offsetWidth));
    await page.close();
    const paper = Number(/<!--\[if mso\]><table[^>]*width="(\d+)"/.exec(html)?.[1]);
    return widths.length === 0 || widths.some((width) => width !== paper) ? [`in Word its parts are ${widths} px wide, and not ${paper}`] : [];
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
