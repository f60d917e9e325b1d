use crate::client::{Host, script};

#[tokio::test]
async fn strings_are_set_read_and_counted() {
    let host = Host::start().await;
    let mut client = host.client().await;
    script(
        &mut client,
        r#"
        GET k                 => nil
        SET k hello           => OK
        GET k                 => "hello"
        STRLEN k              => (5)
        TYPE k                => string
        SET n 5               => OK
        INCR n                => (6)
        INCRBY n 10           => (16)
        DECR n                => (15)
        DECRBY n 20           => (-5)
        GET n                 => "-5"
        INCR fresh            => (1)
        MSET a 1 b 2          => OK
        MGET a b missing      => ["1", "2", nil]
        MSETNX a 9 c 9        => (0)
        MSETNX c 3 d 4        => (1)
        GETDEL c              => "3"
        GET c                 => nil
        SETNX c 7             => (1)
        SETNX c 8             => (0)
        GET c                 => "7"
        "#,
    )
    .await;
    assert_eq!(client.ask_args(&[b"set", b"b\0\r\n", b"\xff\r\n"]).await, "OK");
    assert_eq!(client.ask_args(&[b"STRLEN", b"b\0\r\n"]).await, "(3)");
}

#[tokio::test]
async fn set_takes_conditions_and_times_to_live() {
    let host = Host::start().await;
    let mut client = host.client().await;
    script(
        &mut client,
        r#"
        SET k 1 XX            => nil
        SET k 1 NX            => OK
        SET k 2 NX            => nil
        SET k 2 XX GET        => "1"
        SET k 3 GET           => "2"
        SET new 1 GET         => nil
        TTL k                 => (-1)
        TTL missing           => (-2)
        SET k 4 EX 100        => OK
        TTL k                 => (100)
        SET k 5 KEEPTTL       => OK
        TTL k                 => (100)
        SET k 6               => OK
        TTL k                 => (-1)
        SET k 7 PX 100000     => OK
        TTL k                 => (100)
        SET k 8 EXAT 4000000000 => OK
        EXPIRETIME k          => (4000000000)
        SET k 9 PXAT 4000000000123 => OK
        PEXPIRETIME k         => (4000000000123)
        INCR k                => (10)
        PEXPIRETIME k         => (4000000000123)
        SET k 8 EXAT 1        => OK
        EXISTS k              => (0)
        SETEX k 100 v         => OK
        TTL k                 => (100)
        PSETEX k 50000 v      => OK
        TTL k                 => (50)
        "#,
    )
    .await;
}

#[tokio::test]
async fn a_time_to_live_is_set_changed_and_taken_away() {
    let host = Host::start().await;
    let mut client = host.client().await;
    script(
        &mut client,
        r#"
        SADD s x              => (1)
        EXPIRE s 100          => (1)
        TTL s                 => (100)
        EXPIRE s 50 GT        => (0)
        EXPIRE s 50 LT        => (1)
        EXPIRE s 200 NX       => (0)
        EXPIRE s 200 XX       => (1)
        TTL s                 => (200)
        SCARD s               => (1)
        PERSIST s             => (1)
        PERSIST s             => (0)
        TTL s                 => (-1)
        PEXPIREAT s 4000000000123 => (1)
        PEXPIRETIME s         => (4000000000123)
        EXPIREAT s 4000000000 => (1)
        EXPIRETIME s          => (4000000000)
        EXPIRE s -1           => (1)
        EXISTS s              => (0)
        EXPIRE s 10           => (0)
        SET k v               => OK
        PEXPIRE k 20          => (1)
        "#,
    )
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    script(&mut client, "GET k => nil\nEXISTS k => (0)\nTTL k => (-2)").await;
}
