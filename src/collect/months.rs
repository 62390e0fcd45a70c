//! The names of months in the languages that feeds are written in.

/// For each month, how it begins in English, German, French, Spanish, Italian, Portuguese, Dutch, Welsh, the Nordic
/// languages, Polish, Czech, Hungarian, Romanian, Turkish, Indonesian, Greek, Russian and Ukrainian.
const BEGINNINGS: [&str; 12] = [
    "jan jän jañ ene gen ion led sty oca ιαν янв січ",
    "feb fév fev febr chw hel úno uno lut şub sub φεβ фев лют",
    "mar mär mrz maa maw maaliskuu bře bre mac mác már μάρ μαρ μάώ мар бер",
    "apr avr abr ebr huhtikuu dub kwi ápr nis απρ апр кві",
    "may mai mag maj maio mei máj maj kvě kve toukokuu μάι μαι μαϊ мая май тра",
    "jun juin giu jún mehefin čer cer cze haz iun ιουν ιούν ιον июн чер",
    "jul juil lug júl gor červ lip tem iul ιουλ ιούλ ιολ июл лип",
    "aug août aou ago awst elokuu srp sie ağu agu agt αυγ αύγ авг сер",
    "sep set med syyskuu zář zar wrz szept eyl σεπ сен вер",
    "oct okt ott out hyd říj rij paź paz eki οκτ окт жов",
    "nov tach lis kas noi μάν νοε νοέ ноя лис",
    "dec dez déc dic rhag pro gru ara des δεκ дек гру",
];

/// Whole names and short forms that the beginnings above would give to another month.
const WHOLE: &[(&str, u32)] = &[
    ("červenec", 7),
    ("července", 7),
    ("juli", 7),
    ("juillet", 7),
    ("listopad", 11),
    ("listopada", 11),
    ("listopadu", 11),
    ("lis", 11),
    ("лис", 11),
    ("mehefin", 6),
    ("gorffennaf", 7),
    ("medi", 9),
    ("hydref", 10),
    ("tachwedd", 11),
    ("rhagfyr", 12),
    ("lipiec", 7),
    ("lipca", 7),
    ("ott", 10),
    ("mei", 5),
    ("mars", 3),
    ("mart", 3),
    ("marzo", 3),
    ("märz", 3),
];

/// The month, 1 to 12, of a name or a short form in any case, with or without a dot.
pub(super) fn month(word: &str) -> Option<u32> {
    let word = word.trim_matches(|c: char| !c.is_alphabetic()).to_lowercase();
    if word.chars().count() < 3 || word.chars().count() > 14 {
        return None;
    }
    if let Some((_, month)) = WHOLE.iter().find(|(name, _)| *name == word) {
        return Some(*month);
    }
    let begins =
        |beginnings: &str| beginnings.split(' ').filter(|beginning| word.starts_with(beginning)).map(str::len).max();
    let months = (1..).zip(BEGINNINGS).filter_map(|(month, beginnings)| Some((begins(beginnings)?, month)));
    months.max_by_key(|(length, month)| (*length, std::cmp::Reverse(*month))).map(|(_, month)| month)
}

#[cfg(test)]
mod tests {
    use super::month;

    #[test]
    fn months_are_known_in_common_languages() {
        let lines = [
            "january february march april may june july august september october november december",
            "jan feb mar apr may jun jul aug sept. oct nov dec",
            "januar februar märz april mai juni juli august september oktober november dezember",
            "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
            "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
            "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
            "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
            "januari februari maart april mei juni juli augustus september oktober november december",
            "ionawr chwefror mawrth ebrill mai mehefin gorffennaf awst medi hydref tachwedd rhagfyr",
            "január február március április május június július augusztus szeptember október november december",
            "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
            "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
            "ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık",
        ];
        for line in lines {
            for (expected, name) in (1..).zip(line.split(' ')) {
                assert_eq!(month(name), Some(expected), "{name}");
            }
        }
        assert_eq!(month("Posted"), None);
        assert_eq!(month("xyz"), None);
    }
}
