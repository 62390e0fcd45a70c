// What a mail uses that mail clients do not all know, by the data of caniemail.
import { caniemail, rawData } from "caniemail";

/** The least share of clients that must know a feature without a fallback. */
const ENOUGH = 0.8;

/** What is used all the same, by caniemail's titles: without it, the mail is as said here. */
const FALLBACKS = {
    "@media": "the fluid layout holds without it; widths and columns give way by themselves",
    "@media (prefers-color-scheme)": "the light colours, or those that the client makes of them",
    "<style> element": "colours, widths and type are in the elements",
    "<body> element": "the block within has the same ground, language and direction",
    "Attribute selector": "only Outlook has what it asks for",
    ":hover": "headlines get no line below",
    "::after": "headline, picture and the link below are to be pressed instead of the whole story",
    position: "the same",
    "aria-label attribute": "the text of the link is read without the headline",
    "role attribute": "tables are still those of old mails, which screen readers guess",
    "lang attribute": "the reader's own language is taken for reading aloud",
    "object-fit": "the picture keeps its own shape",
    opacity: "pictures are as bright as they are",
    "text-wrap": "lines break where they are full",
    "text-underline-offset": "the line is nearer to the text",
    "word-break": "`word-wrap`, which others know, and tables of fixed columns do the same",
    "word-wrap": "`word-break` does the same",
    "@supports": "pictures keep their own shape",
    "aspect-ratio": "the same",
    "aria-hidden attribute": "the link of a picture is read as one without a text, before that of the headline",
    "color-scheme CSS property": "the client chooses the scheme",
    "color-scheme meta tag": "the same",
    "outline-offset": "the client's own ring",
};

const features = new Map(rawData.data.map((feature) => [feature.slug, feature]));

/** The features that too few clients know and that have no fallback, a sentence for each. */
export function unsupported(html) {
    // caniemail stops at what it has not asked every client about; `styled` looks at that too.
    const { issues } = caniemail({ clients: ["*"], html: html.replace(/(table-layout|word-wrap):[a-z-]+/g, "") });
    const reported = [...issues.errors.values()].flat().map(({ title }) => title);
    const titles = new Set([...reported, ...styled(html)]);
    return [...titles].flatMap((title) => {
        const share = supported(title);
        if (share >= ENOUGH || title in FALLBACKS) return [];
        return [`only ${Math.round(share * 100)} % of clients know ${title}, and there is no fallback for it`];
    });
}

/**
 * What the styles use, also within the rules for some screens, where caniemail itself does not look. What Word alone reads is
 * left out.
 */
function styled(html) {
    const seen = html.replace(/<!--\[if mso\]>[\s\S]*?<!\[endif\]-->/g, "");
    const found = (pattern, kind) => [...seen.matchAll(pattern)].map(([, name]) => `css-${kind}${name}`);
    const slugs = [
        ...found(/[;{"]\s*([a-z-]+)\s*:/g, ""),
        ...found(/[a-z\])]:([a-z-]+)(?=[^;"]*\{)/g, "pseudo-class-"),
        ...found(/::([a-z-]+)/g, "pseudo-element-"),
        ...found(/@media \(?([a-z-]+)/g, "at-media-"),
        ...found(/<meta name="([a-z-]+)"/g, "").map((slug) => slug.replace("css-", "html-meta-")),
    ];
    return slugs.filter((slug) => features.has(slug)).map((slug) => features.get(slug).title);
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
