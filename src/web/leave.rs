//! `/u/TOKEN`: the page for leaving, leaving, and taking that back.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use mail_parser::{MessageParser, MimeHeaders};
use templates::pages;

use super::{Web, blocking, not_found, page, unavailable};
use crate::core::token::{Purpose, Token};
use crate::jobs;
use crate::store::Departure;

/// Asks, or says that they have left. Anybody may look, any number of times: link scanners do.
pub(super) async fn show(State(web): State<Web>, Path(token): Path<String>) -> Response {
    let Some(subscriber) = web.keyring.verify(Purpose::Unsubscribe, bare(&token)) else { return not_found() };
    let (store, now) = (web.store.clone(), web.clock.now());
    match blocking(move || store.departure(&subscriber, now)).await {
        Some(Some(departure)) => left(&web, departure),
        Some(None) => page(StatusCode::OK, pages::leave(&web.sender)),
        None => unavailable(),
    }
}

fn left(web: &Web, Departure { at, undo }: Departure) -> Response {
    let at = at.format("%-d %B %Y, %H:%M UTC").to_string();
    let undo = undo.map(|undo| web.keyring.mint(Purpose::Undo, &undo));
    page(StatusCode::OK, pages::left(&at, undo.as_ref().map(Token::reveal)))
}

/// Withdraws at once, or takes that back. The answer is the same the second time.
pub(super) async fn leave(
    State(web): State<Web>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(subscriber) = web.keyring.verify(Purpose::Unsubscribe, bare(&token)) else { return not_found() };
    let Some(fields) = form(&headers, &body) else { return unclear(StatusCode::UNSUPPORTED_MEDIA_TYPE) };
    let (store, now) = (web.store.clone(), web.clock.now());
    if is_one_click(&fields) {
        return match blocking(move || jobs::leave::run(&store, &subscriber, now)).await {
            Some(departure) => left(&web, departure),
            None => unavailable(),
        };
    }
    let undo = fields.iter().find(|(name, _)| name == pages::UNDO);
    let Some((_, undo)) = undo else { return unclear(StatusCode::BAD_REQUEST) };
    let Some(undo) = web.keyring.verify(Purpose::Undo, undo) else { return not_found() };
    match blocking(move || jobs::leave::undo(&store, &subscriber, &undo, now)).await {
        Some(true) => page(StatusCode::OK, pages::back()),
        Some(false) => page(StatusCode::GONE, pages::trouble("Too late", TOO_LATE)),
        None => unavailable(),
    }
}

const TOO_LATE: &str = "This can be undone for seven days. To get the digest again, answer one of the mails you have.";

/// A token as it is in a link that a mail program or a person took too much of: with a slash or a full stop behind it.
fn bare(token: &str) -> &str {
    token.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
}

/// The fields of a form; `None` for what is none.
fn form(headers: &HeaderMap, body: &[u8]) -> Option<Vec<(String, String)>> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        // A form without a type is taken for the plainest one.
        "application/x-www-form-urlencoded" | "" => Some(url::form_urlencoded::parse(body).into_owned().collect()),
        "multipart/form-data" => {
            // RFC 7578 section 2: a form is a MIME multipart like any other.
            let message = [b"Content-Type: ", content_type.as_bytes(), b"\r\n\r\n", body].concat();
            let message = MessageParser::default().parse(&message)?;
            let fields = message.parts.iter().map(|part| {
                let name = part.content_disposition().and_then(|field| field.attribute("name")).unwrap_or_default();
                (name.to_owned(), part.text_contents().unwrap_or_default().to_owned())
            });
            Some(fields.collect())
        }
        _ => None,
    }
}

/// Whether it is the form of RFC 8058 section 3.2, `List-Unsubscribe=One-Click`.
fn is_one_click(fields: &[(String, String)]) -> bool {
    fields.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("List-Unsubscribe") && value.trim().eq_ignore_ascii_case("One-Click")
    })
}

fn unclear(status: StatusCode) -> Response {
    let text = "To leave, open the link from the foot of a mail and press the button.";
    page(status, pages::trouble("That was unclear", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(content_type: &str, body: &str) -> Option<bool> {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, content_type.parse().expect("a header"));
        }
        form(&headers, body.as_bytes()).map(|fields| is_one_click(&fields))
    }

    #[test]
    fn both_encodings_of_the_form_are_read() {
        let multipart = |name: &str, value: &str| {
            format!("--b0\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--b0--\r\n")
        };
        let form = "multipart/form-data; boundary=b0";
        for (content_type, body, expected) in [
            ("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click".to_owned(), Some(true)),
            ("application/x-www-form-urlencoded; charset=utf-8", "a=b&List-Unsubscribe=One%2DClick".into(), Some(true)),
            ("", "List-Unsubscribe=One-Click".into(), Some(true)),
            ("application/x-www-form-urlencoded", "List-Unsubscribe=no".into(), Some(false)),
            ("application/x-www-form-urlencoded", String::new(), Some(false)),
            (form, multipart("List-Unsubscribe", "One-Click"), Some(true)),
            ("Multipart/Form-Data; boundary=\"b0\"", multipart("List-Unsubscribe", "One-Click"), Some(true)),
            (form, multipart("Other", "One-Click"), Some(false)),
            (form, "List-Unsubscribe=One-Click".into(), Some(false)),
            ("text/plain", "List-Unsubscribe=One-Click".into(), None),
            ("application/json", "{}".into(), None),
        ] {
            assert_eq!(says(content_type, &body), expected, "{content_type}: {body}");
        }
    }
}
