//! `axum-nested` as its README tells it: the host's login lets people into the chat, nothing else does, and both end together.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anchor::client::{Client, ClientConfig, ConnectionState, Delivery};
use anchor::{From, RoomId, StreamExt, System};
use futures::SinkExt;
use rustix::process::{Pid, Signal, kill_process};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

/// The host, in a process of its own. Killed when dropped.
struct Host {
    process: Child,
    address: SocketAddr,
    _data: tempfile::TempDir,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
    }
}

impl Host {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_axum-nested"))
            .arg("127.0.0.1:0")
            .arg(data.path().join("chat"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on http://").unwrap().parse().unwrap();
        Self { process, address, _data: data }
    }

    /// The status, head and body of the answer to a request.
    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n{headers}\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    /// Logs in; the secret of the session, as its cookie holds it.
    fn log_in(&self, login: &str, password: &str) -> Option<String> {
        let (status, answer) = self.ask("POST", "/login", "", &format!("login={login}&password={password}"));
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: session="));
        assert_eq!(cookie.is_some(), status == 303, "{answer}");
        Some(cookie?.split(';').next().unwrap().to_owned())
    }

    /// A client that shows `secret` as its token.
    fn client(&self, secret: &str) -> Client {
        let config = ClientConfig::new(format!("ws://{}/chat/v1/ws", self.address)).token(secret);
        Client::open(config, System).unwrap()
    }

    /// A session over a handshake with this cookie, as a browser has it; and the first frame.
    async fn browser(&self, secret: &str) -> (WebSocketStream<tokio::net::TcpStream>, serde_json::Value) {
        let mut request = format!("ws://{}/chat/v1/ws", self.address).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "anchor.v1.json".parse().unwrap());
        headers.insert("cookie", format!("theme=dark; session={secret}").parse().unwrap());
        headers.insert("origin", format!("http://{}", self.address).parse().unwrap());
        let stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let (mut socket, _) = client_async(request, stream).await.unwrap();
        // No token: a page cannot read its cookie.
        let hello = r#"["hello",null,null,"000102030405060708090a0b0c0d0e0f",1,[],[]]"#;
        socket.send(Message::text(hello)).await.unwrap();
        let first = frame(&mut socket).await;
        (socket, first)
    }
}

async fn frame(socket: &mut WebSocketStream<tokio::net::TcpStream>) -> serde_json::Value {
    let message = soon(socket.next()).await.unwrap().unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it happens within a minute")
}

#[tokio::test]
async fn the_hosts_users_chat_and_everything_ends_together() {
    let mut host = Host::start();
    let lobby = RoomId::lobby();

    // The page and its module are found below the path of the router.
    for path in ["/chat/", "/chat/chat.js", "/chat/healthz"] {
        assert_eq!(host.ask("GET", path, "", "").0, 200, "{path}");
    }

    // A program, with its secret as a token.
    let ada = host.client(&host.log_in("ada@example.org", "lovelace").unwrap());
    let ack = soon(soon(ada.publish(&lobby, "hello")).await.unwrap()).await.unwrap();
    assert_eq!(ack.mark.offset.0, 1);
    let mut read = soon(ada.subscribe(&lobby, From::Start)).await;
    assert!(matches!(soon(read.next()).await, Some(Delivery::Started { .. })));
    let Some(Delivery::Events(events)) = soon(read.next()).await else { panic!("the message comes next") };
    assert_eq!(events.events[0].user.as_str(), "ada");

    // A browser, with its cookie.
    let secret = host.log_in("bob@example.org", "builder").unwrap();
    assert!(host.ask("GET", "/", &format!("Cookie: session={secret}\r\n"), "").1.contains("Hello bob"));
    let (mut bob, welcome) = host.browser(&secret).await;
    assert_eq!((&welcome[0], &welcome[2]), (&"welcome".into(), &"bob".into()), "{welcome}");

    // Everybody is told to come back, and the process ends as asked.
    kill_process(Pid::from_child(&host.process), Signal::TERM).unwrap();
    let goodbye = frame(&mut bob).await;
    assert_eq!((&goodbye[0], &goodbye[1]), (&"goodbye".into(), &"shutdown".into()), "{goodbye}");
    drop(bob);
    assert_eq!(host.process.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_wrong_login_is_refused_everywhere() {
    let host = Host::start();
    assert_eq!(host.log_in("ada@example.org", "wrong"), None);
    let (_, first) = host.browser("0123456789abcdef").await;
    assert_eq!((&first[0], &first[1]), (&"goodbye".into(), &"auth".into()), "{first}");
    let stranger = host.client("0123456789abcdef");
    assert_eq!(refused(&stranger).await, "auth");

    // Who logs out is a stranger again.
    let secret = host.log_in("ada@example.org", "lovelace").unwrap();
    host.ask("POST", "/logout", &format!("Cookie: session={secret}\r\n"), "");
    assert_eq!(refused(&host.client(&secret)).await, "auth");
}

/// The code with which a client was sent away for good.
async fn refused(client: &Client) -> &'static str {
    let mut states = client.states();
    loop {
        if let ConnectionState::Stopped { code, .. } = soon(states.next()).await.unwrap() {
            return code.name();
        }
    }
}
