//! RESP, the wire format of Redis: bytes into replies. RESP2, and the additions of RESP3, in case a server or
//! a proxy uses RESP3 unasked.

/// Longest accepted string. The strings that we ask for are far shorter, and a length arrives before its
/// bytes.
const LONGEST: usize = 16 << 20;
/// Most elements of a list, for the same reason.
const WIDEST: usize = 1 << 20;
/// Deepest accepted nesting; the replies that we ask for nest three levels.
const DEEPEST: usize = 16;

/// One reply, as it came.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A line such as `OK`; in RESP3 also any value that is neither text nor a whole number.
    Line(String),
    /// An error of the server: code and message in one, such as `READONLY You can't write against …`.
    Error(String),
    /// A whole number.
    Integer(i64),
    /// A string of bytes.
    Bytes(Vec<u8>),
    /// Nothing.
    Null,
    /// A list.
    List(Vec<Reply>),
    /// Pairs (RESP3).
    Map(Vec<(Reply, Reply)>),
}

impl Reply {
    /// The reply as text, if it is one piece of text. Invalid UTF-8 is replaced.
    pub fn text(&self) -> Option<String> {
        match self {
            Reply::Line(text) => Some(text.clone()),
            Reply::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Reply::Integer(number) => Some(number.to_string()),
            Reply::Error(_) | Reply::Null | Reply::List(_) | Reply::Map(_) => None,
        }
    }

    /// Whether it is `OK`.
    pub fn is_ok(&self) -> bool {
        matches!(self, Reply::Line(line) if line == "OK")
    }

    /// The kind of the reply, in words.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Reply::Line(_) => "a line",
            Reply::Error(_) => "an error",
            Reply::Integer(_) => "a number",
            Reply::Bytes(_) => "a string",
            Reply::Null => "nothing",
            Reply::List(_) => "a list",
            Reply::Map(_) => "a map",
        }
    }
}

/// Bytes that are not RESP. Quotes none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what answers does not speak the protocol of Redis: {0}")]
pub struct Malformed(&'static str);

/// Reads one reply from the front: the reply, and how many bytes it took. `None`: more bytes are to come.
///
/// # Errors
/// Bytes that are no reply, whatever may follow.
pub fn decode(bytes: &[u8]) -> Result<Option<(Reply, usize)>, Malformed> {
    let mut reader = Reader { bytes, position: 0 };
    match reader.reply(0) {
        Ok(reply) => Ok(Some((reply, reader.position))),
        Err(Stop::Short) => Ok(None),
        Err(Stop::Malformed(problem)) => Err(problem),
    }
}

enum Stop {
    Short,
    Malformed(Malformed),
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    fn reply(&mut self, depth: usize) -> Result<Reply, Stop> {
        if depth > DEEPEST {
            return malformed("it nests too deeply");
        }
        let line = self.line()?;
        let Some((&sign, rest)) = line.split_first() else { return malformed("an empty line") };
        let text = || String::from_utf8_lossy(rest).into_owned();
        match sign {
            b'+' | b',' | b'(' | b'#' => Ok(Reply::Line(text())),
            b'-' => Ok(Reply::Error(text())),
            b':' => Ok(Reply::Integer(number(rest)?)),
            b'_' => Ok(Reply::Null),
            b'$' => Ok(self.string(rest)?.map_or(Reply::Null, |bytes| Reply::Bytes(bytes.to_vec()))),
            b'!' => {
                let words = self.string(rest)?.unwrap_or_default();
                Ok(Reply::Error(String::from_utf8_lossy(words).into_owned()))
            }
            // A string with a prefix for its format: `txt:…`.
            b'=' => {
                let bytes = self.string(rest)?.unwrap_or_default();
                Ok(Reply::Bytes(bytes.get(4..).unwrap_or_default().to_vec()))
            }
            b'*' | b'~' | b'>' => match length(rest, WIDEST)? {
                None => Ok(Reply::Null),
                Some(count) => {
                    (0..count).map(|_| self.reply(depth + 1)).collect::<Result<_, _>>().map(Reply::List)
                }
            },
            b'%' => {
                let count = length(rest, WIDEST)?.unwrap_or_default();
                let pair = |_| Ok((self.reply(depth + 1)?, self.reply(depth + 1)?));
                (0..count).map(pair).collect::<Result<_, _>>().map(Reply::Map)
            }
            _ => malformed("a reply of no known type"),
        }
    }

    /// The next line, without its end.
    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        match rest.windows(2).position(|end| end == b"\r\n") {
            Some(end) => {
                self.position += end + 2;
                Ok(&rest[..end])
            }
            None if rest.len() > LONGEST => malformed("a line without an end"),
            None => Err(Stop::Short),
        }
    }

    /// The bytes of a string whose length has been read; `None` for the null string.
    fn string(&mut self, announced: &[u8]) -> Result<Option<&'a [u8]>, Stop> {
        let Some(length) = length(announced, LONGEST)? else { return Ok(None) };
        let end = self.position + length;
        let Some(bytes) = self.bytes.get(self.position..end + 2) else { return Err(Stop::Short) };
        if !bytes.ends_with(b"\r\n") {
            return malformed("a string longer than announced");
        }
        self.position = end + 2;
        Ok(Some(&bytes[..length]))
    }
}

/// A length; `None` for -1, which means nothing.
fn length(digits: &[u8], most: usize) -> Result<Option<usize>, Stop> {
    match number(digits)? {
        -1 => Ok(None),
        length => match usize::try_from(length) {
            Ok(length) if length <= most => Ok(Some(length)),
            _ => malformed("a length that cannot be"),
        },
    }
}

fn number(digits: &[u8]) -> Result<i64, Stop> {
    let text = std::str::from_utf8(digits).ok();
    text.and_then(|text| text.parse().ok()).map_or_else(|| malformed("a number that is not a number"), Ok)
}

fn malformed<T>(why: &'static str) -> Result<T, Stop> {
    Err(Stop::Malformed(Malformed(why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Reply {
        Reply::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn replies_are_read_as_they_stand() {
        for (wire, reply) in [
            ("+PONG\r\n", Reply::Line("PONG".to_owned())),
            (
                "-NOAUTH Authentication required.\r\n",
                Reply::Error("NOAUTH Authentication required.".to_owned()),
            ),
            (":-3\r\n", Reply::Integer(-3)),
            ("$5\r\na\r\nbc\r\n", bytes("a\r\nbc")),
            ("$0\r\n\r\n", bytes("")),
            ("$-1\r\n", Reply::Null),
            ("*-1\r\n", Reply::Null),
            ("_\r\n", Reply::Null),
            ("*0\r\n", Reply::List(vec![])),
            (
                "*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
                Reply::List(vec![bytes("a"), Reply::List(vec![Reply::Integer(1)])]),
            ),
            ("%1\r\n+a\r\n:1\r\n", Reply::Map(vec![(Reply::Line("a".to_owned()), Reply::Integer(1))])),
            ("=7\r\ntxt:abc\r\n", bytes("abc")),
            ("!5\r\nERR x\r\n", Reply::Error("ERR x".to_owned())),
            ("#t\r\n", Reply::Line("t".to_owned())),
        ] {
            assert_eq!(decode(wire.as_bytes()), Ok(Some((reply, wire.len()))), "{wire:?}");
            for end in 0..wire.len() {
                assert_eq!(decode(&wire.as_bytes()[..end]), Ok(None), "{:?}", &wire[..end]);
            }
        }
    }

    #[test]
    fn one_reply_is_taken_of_several() {
        assert_eq!(decode(b"+OK\r\n+PONG\r\n"), Ok(Some((Reply::Line("OK".to_owned()), 5))));
    }

    #[test]
    fn what_is_not_redis_is_said_to_be_so() {
        for wire in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
            ":abc\r\n",
            "$-2\r\n",
            "$99999999999999999999\r\n",
            "$17000000\r\n",
            "$1\r\nabc\r\n",
            "*9000000\r\n",
            &"*1\r\n".repeat(20),
        ] {
            assert!(decode(wire.as_bytes()).is_err(), "{wire:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic_and_none_are_taken_twice(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
            wire in "([+:$*%=~_-][0-9]{0,2}(\r\n)?[a-z]{0,3}(\r\n)?){0,8}",
        ) {
            for input in [bytes.as_slice(), wire.as_bytes()] {
                if let Ok(Some((_, taken))) = decode(input) {
                    proptest::prop_assert!(taken <= input.len() && taken > 0);
                }
            }
        }
    }
}
