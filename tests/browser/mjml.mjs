// Holds mails against what MJML makes of the same layout, layout.mjml: node mjml.mjs FOLDER. Whatever MJML does for old Outlook has to
// be in FOLDER/typical.html or FOLDER/confirmation.html too, and the widths of the paper and of columns have to be the same. The files
// come from `POSTROUND_LOOK=FOLDER cargo test --test it render::`.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import mjml from "mjml";

/** What MJML always writes, and these mails have no use for. */
const NO_USE = {
    "xmlns:v": "drawings behind text, of which there are none",
    "[if lte mso 11]": "Outlook 2003, for a class that only MJML's columns have",
    "[if mso | IE]": "Internet Explorer, which shows no mails",
    "table bgcolor": "the ground, which is on the table within",
};

/** The elements that rules for Word alone are about, by selector. */
const CELLS = { table: "table", td: "td", ".px": "td" };

const folder = process.argv[2];
const layout = await readFile(join(import.meta.dirname, "layout.mjml"), "utf8");
const { html: theirs, errors } = mjml(layout, { keepComments: false });
const ours = await Promise.all(["typical", "confirmation"].map((name) => readFile(join(folder, `${name}.html`), "utf8")));

const problems = errors.map(({ formattedMessage }) => formattedMessage);
const [done, expected] = [doneForWord(ours.join("")), doneForWord(theirs)];
for (const what of expected) {
    if (!done.has(what) && !(what in NO_USE)) problems.push(`MJML has it, and the mails have not: ${what}`);
}
for (const what of Object.keys(NO_USE)) if (!expected.has(what)) problems.push(`MJML has no ${what} any more`);
const [digest] = ours;
for (const [what, found] of Object.entries({ papers, columns })) {
    const [of, as] = [found(digest), found(theirs)].map((widths) => [...new Set(widths)].sort().join(" and "));
    if (of !== as || of === "") problems.push(`the widths of ${what} are ${of}, and ${as} by MJML`);
}
for (const problem of problems) console.error(problem);
console.log(`${expected.size} things that MJML does for old Outlook, ${problems.length} problems`);
process.exit(problems.length > 0 || expected.size < 20 ? 1 : 0);

/** What is written for Word, by name. */
function doneForWord(html) {
    const found = new Set(html.match(/mso-[a-z-]+(?=:)|<o:\w+|xmlns:\w|-ms-interpolation-mode|#outlook a|\[if [^\]!]*mso[^\]]*\]/g));
    for (const [, selectors, declarations] of ghosts(html).matchAll(/([^{}<>]+)\{([^{}]*)\}/g)) {
        for (const name of selectors.split(",").flatMap((selector) => CELLS[selector.trim()] ?? [])) {
            for (const what of said([declarations, "style", declarations])) found.add(`${name} ${what}`);
        }
    }
    for (const [, name, attributes] of ghosts(html).matchAll(/<(table|td)\b([^>]*)>/g)) {
        const properties = [...attributes.matchAll(/([\w-]+)="([^"]*)"/g)];
        for (const what of properties.flatMap(said)) found.add(`${name} ${what}`);
    }
    return found;
}

/** What an attribute says, however it is written. */
function said([, attribute, value]) {
    if (attribute === "class") return [];
    if (attribute !== "style") return [attribute === "valign" ? `vertical-align: ${value}` : attribute];
    const names = value.split(";").map((declaration) => declaration.split(":").map((part) => part.trim()));
    return names.filter(([name]) => name).map(([name, value]) => (name === "vertical-align" ? `${name}: ${value}` : name));
}

/** The markup that Word alone sees. */
function ghosts(html) {
    return [...html.matchAll(/<!--\[if mso(?: \| IE)?\]>([\s\S]*?)<!\[endif\]-->/g)].map(([, inside]) => inside).join("");
}

/** How wide the tables are that all else is in. */
function papers(html) {
    const tables = [...ghosts(html).matchAll(/<table\b[^>]*>/g)].map(([table]) => table);
    return tables.filter((table) => table.includes('align="center"')).map((table) => /\bwidth="(\d+)"/.exec(table)?.[1]);
}

/** How wide two cells are that stand beside each other for Word. */
function columns(html) {
    const cells = [...ghosts(html).matchAll(/(<\/td>)?\s*<td\b([^>]*)>/g)].map(([, beside, attributes]) => ({
        beside: Boolean(beside),
        width: /\bwidth[:=]"?(\d+)/.exec(attributes)?.[1],
    }));
    return cells.flatMap(({ beside, width }, at) => (beside && width ? [`${cells[at - 1].width} + ${width}`] : []));
}
