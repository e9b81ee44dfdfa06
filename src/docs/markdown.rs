//! Descriptions are Markdown that anybody may have written: they become HTML that cannot do anything.

use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

/// Schemes that a link may have; one without a scheme would point into the page itself.
const SCHEMES: [&str; 3] = ["http://", "https://", "mailto:"];

/// Whether an address may be made a link.
pub fn is_safe_link(address: &str) -> bool {
    let address = address.trim().to_ascii_lowercase();
    SCHEMES.iter().any(|scheme| address.starts_with(scheme))
}

/// The HTML of a Markdown text. Raw HTML is shown as the text it is, images become their description (a page asks no
/// server for anything), and links lead only to addresses that [`is_safe_link`] allows.
pub fn to_html(text: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    // Of nested links and images, which of them were dropped: their closing tags are dropped, too.
    let mut dropped: Vec<bool> = Vec::new();
    let events = Parser::new_ext(text, options).filter_map(move |event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Some(Event::Text(raw)),
        Event::Start(Tag::HtmlBlock) => Some(Event::Start(Tag::Paragraph)),
        Event::End(TagEnd::HtmlBlock) => Some(Event::End(TagEnd::Paragraph)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            // An address in angle brackets that is one of mail has no scheme yet.
            let dest_url = match link_type {
                LinkType::Email => CowStr::from(format!("mailto:{dest_url}")),
                _ => dest_url,
            };
            let is_safe = is_safe_link(&dest_url);
            dropped.push(!is_safe);
            let link_type = if link_type == LinkType::Email { LinkType::Inline } else { link_type };
            is_safe.then_some(Event::Start(Tag::Link { link_type, dest_url, title, id }))
        }
        Event::End(TagEnd::Link) => (!dropped.pop().unwrap_or(true)).then_some(Event::End(TagEnd::Link)),
        other => Some(other),
    });
    let mut page = String::new();
    html::push_html(&mut page, events);
    page
}

/// The first sentence or line of a Markdown text, without its marks.
pub fn summary(text: &str) -> String {
    let mut plain = String::new();
    for event in Parser::new(text) {
        match event {
            Event::Text(text) | Event::Code(text) => plain.push_str(&text),
            Event::SoftBreak | Event::HardBreak => plain.push(' '),
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item) if !plain.trim().is_empty() => break,
            _ => {}
        }
    }
    let plain = plain.trim();
    let end = plain.find(". ").map_or(plain.len(), |end| end + 1);
    plain[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html() {
        assert_eq!(to_html("One *row* per `order`."), "<p>One <em>row</em> per <code>order</code>.</p>\n");
        assert_eq!(
            to_html("[docs](https://example.org/a?b=1&c=2)"),
            "<p><a href=\"https://example.org/a?b=1&amp;c=2\">docs</a></p>\n"
        );
        assert_eq!(to_html("<ann@example.org>"), "<p><a href=\"mailto:ann@example.org\">ann@example.org</a></p>\n");
    }

    #[test]
    fn nothing_that_could_act_gets_through() {
        for hostile in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html,x)",
            "![x](https://example.org/spy.png)",
            "[![x](https://example.org/a.png)](javascript:alert(1))",
            "<div>\n\n</div><style>*{display:none}</style>",
            "[x]: javascript:alert(1)\n\n[x]",
            "<javascript:alert(1)>",
        ] {
            let page = to_html(hostile);
            for tag in ["<script", "<img", "<style", "<div", "href=\"java", "href=\"data", "onerror=\""] {
                assert!(!page.to_lowercase().contains(tag), "{hostile}: {page}");
            }
        }
    }

    #[test]
    fn a_summary_is_the_first_sentence() {
        assert_eq!(summary("# Orders\n\nMore"), "Orders");
        assert_eq!(summary("One row per *order*. Built daily."), "One row per order.");
        assert_eq!(summary("\n\nTwo\nlines"), "Two lines");
        assert_eq!(summary(""), "");
    }
}
