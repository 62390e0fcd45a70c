// Holds mails against what MJML makes of the same layout, layout.mjml: node mjml.mjs FOLDER. Whatever MJML does for old Outlook has to
// be in FOLDER/typical.html or FOLDER/confirmation.html too; and in each place of each FOLDER/*.html, Word has to have what MJML gives
// it there: the table around each part of the paper, its columns, and the width of each picture. The files come from
// `POSTROUND_LOOK=FOLDER cargo test --test it render::`.
import { readdir, readFile } from "node:fs/promises";
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

/** How wide lines of text are, by the class of what they are in; MJML has them as wide as the content. */
const TEXTS = { text: "504", fit: "464", narrow: "432" };

const folder = process.argv[2];
const layout = await readFile(join(import.meta.dirname, "layout.mjml"), "utf8");
const { html: theirs, errors } = mjml(layout, { keepComments: false });
const names = (await readdir(folder)).filter((name) => name.endsWith(".html"));
const ours = new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), "utf8")])));

const problems = errors.map(({ formattedMessage }) => formattedMessage);
const done = doneForWord(`${ours.get("typical.html")}${ours.get("confirmation.html")}`);
const expected = doneForWord(theirs);
for (const what of expected) {
    if (!done.has(what) && !(what in NO_USE)) problems.push(`MJML has it, and the mails have not: ${what}`);
}
for (const what of Object.keys(NO_USE)) if (!expected.has(what)) problems.push(`MJML has no ${what} any more`);
const model = modelOf(theirs);
let places = 0;
for (const [name, html] of ours) {
    for (const { what, is, should } of placesOf(html, model)) {
        places += 1;
        if (is !== should) problems.push(`${name}: Word has ${what} with ${is}, and with ${should} by MJML`);
    }
}
for (const problem of problems) console.error(problem);
console.log(`${expected.size} things that MJML does for old Outlook, in ${places} places, ${problems.length} problems`);
process.exit(problems.length > 0 || expected.size < 20 || places < 100 ? 1 : 0);

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

/** How Word is told to place a table or cell, whether by attributes or by styles. */
function placing(tag) {
    if (!tag) return "nothing";
    const value = (name) => new RegExp(`(?<![\\w-])${name}(?:="|:\\s*)([\\w-]+?)(?:px)?[;"]`).exec(tag)?.[1];
    const said = { width: value("width"), align: value("align"), valign: value("valign") ?? value("vertical-align") };
    return Object.entries(said).filter(([, value]) => value).map(([name, value]) => `${name} ${value}`).join(", ");
}

/** What MJML gives Word: around each section, for two columns beside each other, and for the content; and the width of its picture. */
function modelOf(html) {
    const sections = [];
    let before;
    for (const [tag, name] of ghosts(html).matchAll(/<(table|td)\b[^>]*>/g)) {
        if (name === "table" && tag.includes('align="center"')) sections.push({ paper: placing(tag), cells: [] });
        if (name === "td" && !before?.includes('align="center"')) sections.at(-1).cells.push(placing(tag));
        before = tag;
    }
    const papers = new Set(sections.map(({ paper }) => paper));
    const pairs = sections.filter(({ cells }) => cells.length === 2);
    if (papers.size !== 1 || pairs.length !== 1) problems.push(`MJML has papers of ${[...papers]}, and ${pairs.length} pairs of columns`);
    const content = pairs[0].cells.reduce((sum, cell) => sum + Number(/width (\d+)/.exec(cell)[1]), 0);
    const picture = /<img\b[^>]*\bwidth="(\d+)"/.exec(html)?.[1];
    return { paper: [...papers][0], columns: pairs[0].cells, content, picture };
}

/** Each place where Word needs something of its own, with what it is given and what it should be. */
function placesOf(html, { paper, columns, content, picture }) {
    const places = [];
    const place = (what, is, should) => places.push({ what, is, should });
    const ghost = String.raw`<!--\[if mso\]>((?:(?!<!\[endif\]-->)[\s\S])*)<!\[endif\]-->`;
    for (const { 0: all, 1: inside = "", 2: names, index } of html.matchAll(
        new RegExp(`(?:${ghost})?\\s*<(?:div|table)\\b[^>]*\\bclass="([^"]*)"`, "g"),
    )) {
        const [name, ...more] = names.split(" ");
        const [table, cell] = ["table", "td"].map((name) => inside.match(new RegExp(`<${name}\\b[^>]*>`, "g"))?.at(-1));
        const beside = html.slice(0, index).endsWith("</table>");
        if (name === "page") place("paper", placing(table), paper);
        if (name === "col") {
            const isSecond = more.includes("end2");
            place(isSecond ? "the second column" : "the first column", placing(cell), columns[isSecond ? 1 : 0]);
            if (!isSecond) place("columns", placing(table), `width ${content}`);
        }
        // Beside a picture there is what the picture leaves.
        if (name in TEXTS && !(name === "fit" && beside && !all.startsWith("<!--"))) {
            place(`lines of ${name}`, placing(table), `width ${TEXTS[name]}`);
        }
    }
    // What Word would distort by a height, it has without.
    for (const [, inside, others] of html.matchAll(new RegExp(`(?:${ghost}\\s*)?<!--\\[if !mso\\]><!-->([\\s\\S]*?)<!--<!\\[endif\\]-->`, "g"))) {
        if (!others.includes("<img")) continue;
        const [forWord, image] = [inside, others].map((part) => /<img\b[^>]*>/.exec(part ?? "")?.[0]);
        const width = /class="photo"/.test(others) ? picture : /\bwidth="(\d+)"/.exec(image)?.[1];
        const height = forWord?.includes("height=") ? " and a height" : "";
        place("a picture", `${placing(forWord)}${height}`, `width ${width}`);
    }
    const count = (tag) => ghosts(html).split(tag).length - 1;
    for (const name of ["table", "tr", "td"]) place(`ends of ${name}`, `${count(`</${name}>`)}`, `${count(`<${name}`)}`);
    return places;
}
