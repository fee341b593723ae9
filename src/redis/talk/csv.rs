//! The output of `redis-cli --csv`: one line for each reply. It is the only format of redis-cli from which
//! the replies of several commands in a row can be read.

use super::Reply;

/// Reads one line. Nested lists come out as one flat list, and a list of one element as the element: the
/// format does not distinguish them.
pub fn csv_line(line: &str) -> Option<Reply> {
    // An error is one of two fields, and the second is the message.
    if let Some(message) = line.strip_prefix("ERROR,") {
        let (reply, rest) = field(message)?;
        return rest.is_empty().then(|| Reply::Error(reply.text().unwrap_or_default()));
    }
    let mut replies = Vec::new();
    let mut rest = line;
    loop {
        let (reply, after) = field(rest)?;
        replies.push(reply);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => break,
            None => return None,
        }
    }
    if replies.len() == 1 { replies.pop() } else { Some(Reply::List(replies)) }
}

/// One field from the front, and the rest.
fn field(text: &str) -> Option<(Reply, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (bytes, rest) = unquote(quoted)?;
        return Some((Reply::Bytes(bytes), rest));
    }
    let end = text.find(',').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let reply = match word {
        // An empty list is printed as nothing: a master without replicas is `"master",0,`.
        "" => Reply::List(Vec::new()),
        "NULL" | "NIL" => Reply::Null,
        "true" | "false" => Reply::Line(word.to_owned()),
        number => Reply::Integer(number.parse().ok()?),
    };
    Some((reply, rest))
}

/// The bytes up to the closing quote, and what follows it.
fn unquote(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut bytes = Vec::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((bytes, text.get(at + 1..)?)),
            '\\' => match letters.next()?.1 {
                'n' => bytes.push(b'\n'),
                'r' => bytes.push(b'\r'),
                't' => bytes.push(b'\t'),
                'a' => bytes.push(7),
                'b' => bytes.push(8),
                'x' => {
                    let digits = [letters.next()?.1, letters.next()?.1];
                    bytes.push(u8::from_str_radix(&String::from_iter(digits), 16).ok()?);
                }
                other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            },
            other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    None
}
