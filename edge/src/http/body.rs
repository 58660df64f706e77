//! A request's body: bounded while it is read, checked to be JSON, and parsed into exactly the expected type.

use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::{Stream, StreamExt};
use protocol::json as json_text;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};
use worker::{ByteStream, Delay, web_sys};

use crate::http::media_type::Media;
use crate::http::problem::{Code, Problem};
use crate::runtime::limits;

/// Whether the request says how long its body is. The server holds it to that, so the body may be read at once, without
/// counting.
///
/// # Errors
/// `payload_too_large`: it says that it is longer than `max_bytes`.
pub fn is_announced(content_length: Option<&str>, max_bytes: usize) -> Result<bool, Problem> {
    match content_length.map(str::parse::<usize>) {
        Some(Ok(length)) if length > max_bytes => Err(too_large(max_bytes)),
        Some(Ok(_)) => Ok(true),
        Some(Err(_)) | None => Ok(false),
    }
}

/// Reads the body, up to `max_bytes` of it.
///
/// # Errors
/// `payload_too_large`; `malformed_request` when the client stops sending or takes longer than `BODY_DEADLINE_MS`.
pub async fn read(
    request: &web_sys::Request,
    content_length: Option<&str>,
    max_bytes: usize,
) -> Result<Vec<u8>, Problem> {
    is_announced(content_length, max_bytes)?;
    match request.body() {
        Some(stream) => {
            let whole = std::pin::pin!(read_at_most(ByteStream::from(stream), max_bytes));
            match select(whole, Delay::from(Duration::from_millis(limits::BODY_DEADLINE_MS))).await {
                Either::Left((body, _)) => body?.ok_or_else(|| too_large(max_bytes)),
                Either::Right(((), _)) => Err(broken_off("it did not come in time")),
            }
        }
        None => Ok(Vec::new()),
    }
}

/// None: there is more than `max_bytes`, and the rest was not read.
async fn read_at_most<E: std::fmt::Display>(
    mut stream: impl Stream<Item = Result<Vec<u8>, E>> + Unpin,
    max_bytes: usize,
) -> Result<Option<Vec<u8>>, Problem> {
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        body.append(&mut chunk.map_err(broken_off)?);
        if body.len() > max_bytes {
            return Ok(None);
        }
    }
    Ok(Some(body))
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::new(Code::PayloadTooLarge, format!("Send a body of at most {max_bytes} bytes."))
}

pub fn broken_off(error: impl std::fmt::Display) -> Problem {
    Problem::malformed("The body ended before it was complete; send it again.").because(error)
}

/// `T` from a JSON body.
///
/// # Errors
/// `unsupported_media_type`, `malformed_request`.
pub fn json<T: DeserializeOwned>(media: Media, body: &[u8]) -> Result<T, Problem> {
    media.must_be_json()?;
    // All of it, members that are not read included.
    let text = std::str::from_utf8(body).map_err(|_| Problem::malformed("Send JSON in UTF-8."))?;
    let Object(value) = json_text::read(text).map_err(|error| Problem::malformed(explain(&error)))?;
    Ok(value)
}

/// Serde's message names fields and positions, which a client needs; text of the client's own in it is cut short.
fn explain(error: &serde_json::Error) -> String {
    let sentence: String = error.to_string().chars().filter(|character| !character.is_control()).take(200).collect();
    format!("Send the JSON object that the API describes: {sentence}.")
}

/// A `T` from a JSON object only: serde would also take an array of its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<T: Serialize> Serialize for Object<T> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OnlyMap<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMap<T> {
            type Value = T;

            fn expecting(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map_err(A::Error::custom)
            }
        }
        from.deserialize_map(OnlyMap(std::marker::PhantomData)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};

    use super::*;
    use crate::http::media_type::JSON;
    use crate::http::response::Response;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        a: String,
        #[serde(default)]
        b: Vec<Object<Thing>>,
    }

    fn status(body: &[u8]) -> u16 {
        json::<Thing>(JSON, body).map_or_else(|problem| Response::from(problem).status, |_| 200)
    }

    #[test]
    fn only_the_expected_shape_is_accepted() {
        let nested = "[".repeat(10_000);
        let nested_in_field = format!(r#"{{"a":{}"#, "[".repeat(10_000));
        for (body, want) in [
            (r#"{"a":"x","b":[{"a":"y"}]}"#.as_bytes(), 200),
            (b" \n{\"a\":\"x\"}\t", 200),
            (r#"{"a":"\u0000"}"#.as_bytes(), 200),
            (b"", 400),
            (b"null", 400),
            (br#"["x",[]]"#, 400),
            (br#"{"a":"x","b":[["y",[]]]}"#, 400),
            (br#"{"a":"x","c":1}"#, 400),
            (br#"{"a":"x","a":"x"}"#, 400),
            (br#"{"b":[]}"#, 400),
            (br#"{"a":1}"#, 400),
            (br#"{"a":null}"#, 400),
            (br#"{"a":"x"}{}"#, 400),
            (br#"{"a":"x",}"#, 400),
            (b"{\"a\":\"\xff\"}", 400),
            (b"\xef\xbb\xbf{\"a\":\"x\"}", 400),
            (br#"{"a":"\ud800"}"#, 400),
            (nested.as_bytes(), 400),
            (nested_in_field.as_bytes(), 400),
        ] {
            assert_eq!(status(body), want, "{}", String::from_utf8_lossy(body));
        }
    }
    #[test]
    fn a_body_of_another_media_type_is_refused_unread() {
        let text = Media { content_type: Some("text/plain"), ..JSON };
        for body in [b"{".as_slice(), b"\xff", br#"{"a":"x"}"#] {
            let code = json::<Thing>(text, body).map_err(|problem| problem.code);
            assert_eq!(code, Err(Code::UnsupportedMediaType));
        }
    }

    #[test]
    fn a_body_whose_declared_length_is_too_long_is_refused_unread() {
        let code = |length| is_announced(length, limits::BODY_MAX_BYTES).map_err(|problem| problem.code);
        assert_eq!((code(Some("16384")), code(Some("16385"))), (Ok(true), Err(Code::PayloadTooLarge)));
        assert_eq!((code(None), code(Some("many"))), (Ok(false), Ok(false)));
    }

    #[test]
    fn a_body_is_read_to_its_bound_and_no_further() {
        // How many bytes of it there were, if not too many; and how many pieces were looked at.
        let read = |pieces: &[usize]| {
            let mut looked_at = 0;
            let pieces = pieces.iter().inspect(|_| looked_at += 1).map(|length| Ok::<_, String>(vec![b'x'; *length]));
            let body = read_at_most(stream::iter(pieces), 10).now_or_never();
            (body.and_then(Result::ok).flatten().map(|body| body.len()), looked_at)
        };
        assert_eq!((read(&[]), read(&[4, 6])), ((Some(0), 0), (Some(10), 2)));
        assert_eq!((read(&[11]), read(&[4, 7, 1])), ((None, 1), (None, 2)));
    }
}
