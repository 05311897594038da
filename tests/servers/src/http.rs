//! A plain HTTP client and small servers for the tests.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use mooring_provider_http::Url;
use serde_json::Value as Json;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// What it says.
    pub body: String,
}

/// One request; any answer. `None` when there is none.
pub fn try_ask(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Option<Answer> {
    let url = Url::parse(url).expect("an address");
    let (host, port) = (url.host_str().expect("a host"), url.port().expect("a port"));
    let mut stream = TcpStream::connect((host, port)).ok()?;
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let target = &url[url::Position::BeforePath..];
    let length = body.len();
    // HTTP/1.0: the answer ends with the connection.
    write!(
        stream,
        "{method} {target} HTTP/1.0\r\nhost: {host}:{port}\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some(Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        body: body.to_owned(),
    })
}

/// One request; any answer. A server that is just changing its listener is asked again.
pub fn ask(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    for _ in 0..20 {
        if let Some(answer) = try_ask(method, url, headers, body) {
            return answer;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{url}: no answer");
}

/// A GET that succeeds with JSON.
pub fn json(url: &str) -> Json {
    let answer = ask("GET", url, &[], "");
    assert_eq!(answer.status, 200, "{url}: {}", answer.body);
    serde_json::from_str(&answer.body).expect("JSON")
}

/// Looks until it is so.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("in five minutes it never came to be that {what}");
}

/// A request as a small server gets it.
#[derive(Debug)]
pub struct Got {
    /// GET, POST and so on.
    pub method: String,
    /// The path and what follows it.
    pub target: String,
    /// By their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// What it carries.
    pub body: Vec<u8>,
    /// It as it came, without its last empty line and body.
    pub head: String,
}

/// Reads one request.
pub fn read(stream: &mut TcpStream) -> Option<Got> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap_or(0));
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(read) => body.extend_from_slice(&buffer[..read]),
        }
    }
    Some(Got {
        method,
        target,
        headers,
        body,
        head,
    })
}

/// A small server: one answer, a status and a body, for each request. It lives as long as the test.
pub fn serve(answer: impl Fn(Got) -> (u16, String) + Send + Sync + 'static) -> SocketAddr {
    serve_at(([127, 0, 0, 1], 0).into(), answer)
}

/// [`serve`] at an address.
pub fn serve_at(address: SocketAddr, answer: impl Fn(Got) -> (u16, String) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    let address = listener.local_addr().expect("its address");
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || {
                if let Some(got) = read(&mut stream) {
                    let (status, body) = answer(got);
                    let length = body.len();
                    let _ = write!(
                        stream,
                        "HTTP/1.1 {status} Answer\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                    );
                }
            });
        }
    });
    address
}

/// A port that was free a moment ago.
pub fn port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}
