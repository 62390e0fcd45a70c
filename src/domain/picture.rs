//! Pictures that mail programs show.

/// Whether a picture is an SVG, which they do not show: by the type of image that it is given with, else by the end of its address.
pub fn is_svg(address: &str, kind: &str) -> bool {
    let kind = kind.trim_start().to_ascii_lowercase();
    if let Some(image) = kind.strip_prefix("image/") {
        return image.starts_with("svg");
    }
    let path = address.split(['?', '#']).next().unwrap_or_default().trim_end().to_ascii_lowercase();
    [".svg", ".svgz"].iter().any(|ending| path.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::is_svg;

    #[test]
    fn an_svg_is_known_by_its_type_else_by_what_its_address_ends_with() {
        for (address, kind) in [
            ("https://a.example/chart.svg", ""),
            ("https://a.example/Chart.SVGZ?w=600#top", ""),
            ("https://a.example/chart.svg", "application/octet-stream"),
            ("https://a.example/chart", "Image/SVG+xml; charset=utf-8"),
            ("https://a.example/chart.png", "image/svg+xml"),
        ] {
            assert!(is_svg(address, kind), "{address} {kind}");
        }
        for (address, kind) in [
            ("https://a.example/svg", ""),
            ("https://a.example/chart.svg.png", "image/png"),
            ("https://a.example/chart.svg?format=png", "image/png"),
            ("https://a.example/a.png?from=chart.svg", "image"),
        ] {
            assert!(!is_svg(address, kind), "{address} {kind}");
        }
    }
}
