use std::time::Duration;

use damson_server::FrontLimits;

use crate::client::{Host, encode};

#[tokio::test]
async fn a_pipeline_is_answered_in_order_however_it_is_cut() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let bytes: Vec<u8> =
        (0..200).flat_map(|n| encode(&[b"INCRBY", b"n", n.to_string().as_bytes()])).collect();
    for piece in bytes.chunks(37) {
        client.send(piece).await;
    }
    for n in 0..200 {
        assert_eq!(client.reply().await, format!("({})", n * (n + 1) / 2));
    }
}

#[tokio::test]
async fn inline_commands_work_as_in_telnet() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.send(b"\r\nset k \"a b\"\r\nget k\r\nPING\n").await;
    for expected in ["OK", "\"a b\"", "PONG"] {
        assert_eq!(client.reply().await, expected);
    }
}

#[tokio::test]
async fn a_malformed_frame_ends_its_connection_after_what_came_before_it() {
    let host = Host::start().await;
    let mut other = host.client().await;
    for (bytes, error) in [
        (&b"*1\r\n$-1\r\n"[..], "-ERR Protocol error: invalid bulk length"),
        (b"*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length"),
        (b"*x\r\n", "-ERR Protocol error: invalid multibulk length"),
        (b"*3000000000\r\n", "-ERR Protocol error: invalid multibulk length"),
        (b"*1\r\nPING\r\n", "-ERR Protocol error: expected '$', got 'P'"),
        (b"*1\r\n$4\r\nPINGPONG\r\n", "-ERR Protocol error: no CRLF after bulk"),
        (b"SET \"k\r\n", "-ERR Protocol error: unbalanced quotes in request"),
    ] {
        let mut client = host.client().await;
        client.send(b"SET before 1\r\n").await;
        client.send(bytes).await;
        assert_eq!(client.reply().await, "OK");
        assert_eq!(client.reply().await, error);
        assert!(client.is_closed().await);
        assert_eq!(other.ask("PING").await, "PONG");
    }
}

#[tokio::test]
async fn quit_says_goodbye() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.send(b"SET k v\r\nQUIT\r\nGET k\r\n").await;
    assert_eq!(client.reply().await, "OK");
    assert_eq!(client.reply().await, "OK");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn one_client_more_than_allowed_is_told_so() {
    let host = Host::with(FrontLimits { clients_max: 2, ..FrontLimits::default() }).await;
    let (mut one, mut two) = (host.client().await, host.client().await);
    assert_eq!((one.ask("PING").await, two.ask("PING").await), ("PONG".into(), "PONG".into()));
    let mut three = host.client().await;
    assert_eq!(three.reply().await, "-ERR max number of clients reached");
    assert!(three.is_closed().await);
    one.ask("QUIT").await;
    assert!(one.is_closed().await);
    // The place is free once the server has noticed.
    for _ in 0..200 {
        let mut next = host.client().await;
        if next.try_send(b"PING\r\n").await.is_ok() && next.reply().await == "PONG" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the place of a client that left was not given away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_everything_before_it_reads_gets_all_replies() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let value = vec![b'x'; 100_000];
    assert_eq!(client.ask_args(&[b"SET", b"big", &value]).await, "OK");
    // 60 MB of replies and 6 MB of commands: more than the sockets hold in both directions.
    let padding = vec![b'p'; 10_000];
    let one = [encode(&[b"GET", b"big"]), encode(&[b"ECHO", &padding])].concat();
    client.send(&one.repeat(600)).await;
    for _ in 0..600 {
        assert_eq!(client.reply().await.len(), value.len() + 2);
        assert_eq!(client.reply().await.len(), padding.len() + 2);
    }
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off() {
    let limits = FrontLimits { stalled_max: Duration::from_millis(200), ..FrontLimits::default() };
    let host = Host::with(limits).await;
    let mut client = host.client().await;
    let value = vec![b'x'; 1_000_000];
    client.ask_args(&[b"SET", b"big", &value]).await;
    client.send(&b"GET big\r\n".repeat(100)).await;
    let mut other = host.client().await;
    for _ in 0..500 {
        if other.ask("CLIENT LIST").await.matches("id=").count() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the stalled client still has its connection");
}

#[tokio::test]
async fn a_stop_finishes_what_was_received() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let address = host.server.redis_address().unwrap();
    assert_eq!(client.ask("SET k v").await, "OK");
    host.server.stop().await;
    assert!(client.is_closed().await);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let slot = damson::Slot::key("k");
    assert_eq!(host.node.scope("default").unwrap().read(|view| view.text(&slot)).unwrap(), "v");
}
