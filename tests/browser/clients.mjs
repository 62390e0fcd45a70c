// What a mail uses that mail clients do not all know, by the data of caniemail.
import { caniemail, rawData } from "caniemail";

/** The least share of clients that must know a feature without a fallback. */
const ENOUGH = 0.8;

/** What is used all the same: without it, the mail is as said here. */
const FALLBACKS = {
    "@media": "the fluid layout holds without it; widths and columns give way by themselves",
    "@media (prefers-color-scheme)": "the light colours, or those that the client makes of them",
    "HTML5 doctype": "clients put their own",
    "<style> element": "colours, widths and type are in the elements",
    "<body> element": "the table within has the same ground, language and direction",
    "attribute selector": "only Outlook has what it asks for",
    ":root": "the client chooses the scheme",
    ":hover": "headlines get no line below",
    ":focus": "the client's own ring",
    "::after pseudo-element": "headline, picture and the link below are to be pressed instead of the whole story",
    position: "the same",
    "aria-label attribute": "the text of the link is read without the headline",
    "role attribute": "tables are still those of old mails, which screen readers guess",
    "lang attribute": "the reader's own language is taken for reading aloud",
    "object-fit": "the picture keeps its own shape",
    opacity: "pictures are as bright as they are",
    "text-wrap": "lines break where they are full",
    "text-underline-offset": "the line is nearer to the text",
    "word-break": "addresses and names break as the client wants; texts are cut before that matters",
    "color-scheme": "the client chooses the scheme",
    "color-scheme meta": "the client chooses the scheme",
    "max-width": "Outlook gets its widths from tables of its own",
    outline: "the client's own ring",
};

const known = Object.keys(FALLBACKS).map((name) => name.toLowerCase());

/** The features that too few clients know and that have no fallback, a sentence for each. */
export function unsupported(html) {
    const { issues } = caniemail({ clients: ["*"], html });
    const titles = new Set();
    for (const list of issues.errors.values()) for (const { title } of list) titles.add(title);
    return [...titles].flatMap((title) => {
        const share = supported(title);
        if (share >= ENOUGH || known.some((name) => title.toLowerCase().includes(name))) return [];
        return [`only ${Math.round(share * 100)} % of clients know ${title}, and there is no fallback for it`];
    });
}

/** The share of clients that know a feature, wholly or in part, in their last version. */
function supported(title) {
    const feature = rawData.data.find((feature) => feature.title === title);
    if (!feature) return 0;
    const last = (versions) => String(Object.values(versions).at(-1));
    const answers = Object.values(feature.stats).flatMap((platforms) => Object.values(platforms).map(last));
    const asked = answers.filter((answer) => !answer.startsWith("u"));
    return asked.filter((answer) => !answer.startsWith("n")).length / asked.length;
}
