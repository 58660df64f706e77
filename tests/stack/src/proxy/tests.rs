//! The proxy between a server that answers in capitals and a client.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::{Moment, Proxy, Speech};

async fn server() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut piece = [0; 64];
                while let Ok(read @ 1..) = stream.read(&mut piece).await {
                    stream.write_all(&piece[..read].to_ascii_uppercase()).await.unwrap();
                }
            });
        }
    });
    address
}

async fn proxy() -> Proxy {
    let proxy = Proxy::new(Speech::Http);
    proxy.open("door-1").await.unwrap();
    proxy.lead_to(server().await);
    proxy
}

/// What comes back; nothing where the connection ends instead.
async fn ask(stream: &mut TcpStream) -> Option<String> {
    stream.write_all(b"who").await.ok()?;
    let mut answer = [0; 3];
    let read = timeout(Duration::from_secs(5), stream.read_exact(&mut answer)).await.expect("an answer or an end");
    read.ok()?;
    Some(String::from_utf8(answer.to_vec()).unwrap())
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(("127.0.0.1", proxy.port("door-1").unwrap())).await.unwrap()
}

#[tokio::test]
async fn it_passes_on_loses_what_is_configured_and_then_passes_on_again() {
    let proxy = proxy().await;
    assert_eq!(ask(&mut connect(&proxy).await).await.as_deref(), Some("WHO"));
    proxy.lose(2);
    assert_eq!(ask(&mut connect(&proxy).await).await, None);
    assert_eq!(ask(&mut connect(&proxy).await).await, None);
    assert_eq!(ask(&mut connect(&proxy).await).await.as_deref(), Some("WHO"));
    assert_eq!(proxy.lost(), 2);
}

#[tokio::test]
async fn a_cut_ends_what_is_open_and_a_stall_only_waits() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    assert!(ask(&mut stream).await.is_some());
    proxy.cut(1.0);
    assert_eq!(ask(&mut stream).await, None);

    let mut stream = connect(&proxy).await;
    assert!(ask(&mut stream).await.is_some());
    let began = Instant::now();
    proxy.stall(Duration::from_millis(300));
    assert_eq!(ask(&mut stream).await.as_deref(), Some("WHO"));
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_trigger_fires_once_at_its_moment_and_names_the_door() {
    let proxy = proxy().await;
    for (moment, answered) in [(Moment::Before, false), (Moment::During, true), (Moment::After, false)] {
        let (struck, at) = oneshot::channel();
        proxy.trigger("door", moment, move |door| struck.send(door.to_owned()).unwrap());
        assert_eq!(ask(&mut connect(&proxy).await).await.is_some(), answered, "{moment:?}");
        assert_eq!(at.await.unwrap(), "door-1");
        assert!(!proxy.call_off());
    }
    proxy.trigger("other", Moment::Before, |_| ());
    assert!(ask(&mut connect(&proxy).await).await.is_some() && proxy.call_off());
}
