use crate::client::{Host, script};

#[tokio::test]
async fn hashes_hold_fields() {
    let host = Host::start().await;
    let mut client = host.client().await;
    script(
        &mut client,
        r#"
        HGETALL h             => []
        HSET h f 1 g 2        => (2)
        HSET h f 3 i 4        => (1)
        TYPE h                => hash
        HGET h f              => "3"
        HGET h z              => nil
        HMGET h g z           => ["2", nil]
        HLEN h                => (3)
        HEXISTS h f           => (1)
        HEXISTS h z           => (0)
        HKEYS h               ~> ["f", "g", "i"]
        HVALS h               ~> ["3", "2", "4"]
        HGETALL h             ~> ["f", "3", "g", "2", "i", "4"]
        HSTRLEN h f           => (1)
        HSETNX h f 9          => (0)
        HSETNX h j 9          => (1)
        HMSET h f 1           => OK
        HDEL h f g z          => (2)
        HDEL h i j            => (2)
        EXISTS h              => (0)
        "#,
    )
    .await;
}

#[tokio::test]
async fn what_the_library_keeps_in_fields_is_shown_and_not_overwritten() {
    let host = Host::start().await;
    let slot = damson::Slot::key("h");
    let scope = host.node.scope("default").unwrap();
    scope.write(|tx| tx.add(&slot.field(b"n"), 7)).await.unwrap();
    scope.write(|tx| tx.set_add(&slot.field(b"s"), b"x")).await.unwrap();
    let mut client = host.client().await;
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    script(
        &mut client,
        &format!(
            r#"
            HGET h n              => "7"
            HGET h s              => {wrong}
            HGETALL h             => {wrong}
            HSET h new 1 n 2      => {wrong}
            HEXISTS h new         => (0)
            HKEYS h               ~> ["n", "s"]
            "#
        ),
    )
    .await;
}
