//! Pictures that mail programs show.

/// Whether a picture is an SVG, which they do not show: by the type that it is given with, empty where there is none, or by the
/// end of its address.
pub fn is_svg(address: &str, kind: &str) -> bool {
    let path = address.split(['?', '#']).next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let kind = kind.trim_start().get(.."image/svg".len()).unwrap_or_default();
    [".svg", ".svgz"].iter().any(|ending| path.ends_with(ending)) || kind.eq_ignore_ascii_case("image/svg")
}

#[cfg(test)]
mod tests {
    use super::is_svg;

    #[test]
    fn an_svg_is_known_by_its_type_or_by_what_its_address_ends_with() {
        for (address, kind) in [
            ("https://a.example/chart.svg", ""),
            ("https://a.example/Chart.SVGZ?w=600#top", ""),
            ("https://a.example/chart", "Image/SVG+xml; charset=utf-8"),
        ] {
            assert!(is_svg(address, kind), "{address} {kind}");
        }
        for (address, kind) in [
            ("https://a.example/svg", ""),
            ("https://a.example/chart.svg.png", "image/png"),
            ("https://a.example/a.png?from=chart.svg", "image"),
        ] {
            assert!(!is_svg(address, kind), "{address} {kind}");
        }
    }
}
