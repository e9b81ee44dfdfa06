//! The page: one HTML file that holds the document, the style and the script, and asks no server for anything.
//!
//! Its policy (<https://www.w3.org/TR/CSP3/>) allows exactly karat's own script and style, by their hashes, and no
//! request. So even a text that found a way into the markup could not act.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

/// Name of the file.
pub const FILE_NAME: &str = "index.html";

const STYLE: &str = include_str!("assets/page.css");
const SCRIPTS: [&str; 3] =
    [include_str!("assets/dom.js"), include_str!("assets/graph.js"), include_str!("assets/page.js")];

/// The page of a document that [`site`](crate::docs::site) made.
pub fn html(document: &Json) -> String {
    let script = SCRIPTS.join("\n");
    let project = document["project"].as_str().unwrap_or_default();
    let data = in_script(&document.to_string());
    format!(
        "<!doctype html>\n\
         <html lang=\"en\">\n\
         <head>\n\
         <meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src '{}'; style-src '{}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{}</title>\n\
         <style>{STYLE}</style>\n\
         </head>\n\
         <body>\n\
         <noscript>This page needs JavaScript to show the documentation that it holds.</noscript>\n\
         <script type=\"application/json\" id=\"document\">{data}</script>\n\
         <script>{script}</script>\n\
         </body>\n\
         </html>\n",
        hash(&script),
        hash(STYLE),
        escaped(project),
    )
}

/// A source expression of the policy.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// JSON within a script element: nothing in it ends the element or begins a comment, whatever its texts hold.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_text_ends_the_document() {
        let page = html(&json!({"project": "</title><script>", "nodes": {"x": "</script><!-- <script>"}}));
        assert_eq!(page.matches("<script").count(), 2, "{page}");
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(!page.contains("<!--"));
    }
}
