use super::*;

async fn echo() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut all = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            all.spawn(async move {
                let (mut reads, mut writes) = stream.into_split();
                let _ = tokio::io::copy(&mut reads, &mut writes).await;
            });
        }
    });
    (address, tasks)
}

async fn ask(stream: &mut TcpStream, what: &[u8]) -> Option<Vec<u8>> {
    stream.write_all(what).await.ok()?;
    let mut answer = vec![0; what.len()];
    stream.read_exact(&mut answer).await.ok()?;
    Some(answer)
}

#[tokio::test]
async fn a_proxy_passes_then_cuts_then_passes_again() {
    let (target, _echo) = echo().await;
    let proxy = Proxy::to(&target).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, b"hello").await.unwrap(), b"hello");
    proxy.cut();
    assert_eq!(stream.read(&mut [0; 9]).await.unwrap_or(0), 0);
    proxy.pass();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, b"again").await.unwrap(), b"again");
}

#[tokio::test]
async fn after_a_turn_new_connections_reach_the_new_target_and_open_ones_stay() {
    let (target, _echo) = echo().await;
    let proxy = Proxy::to("127.0.0.1:9").await.unwrap();
    let mut nowhere = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut nowhere, b"hello").await, None);
    proxy.turn_to(&target);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, b"hello").await.unwrap(), b"hello");
    proxy.turn_to("127.0.0.1:9");
    assert_eq!(ask(&mut stream, b"still").await.unwrap(), b"still");
}

#[tokio::test]
async fn a_stalled_answer_arrives_whole_once_it_passes() {
    let (target, _echo) = echo().await;
    let proxy = Proxy::to(&target).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let trip = proxy.arm(Side::Server, Trigger::Pattern(b"b".to_vec()), Then::StallBefore);
    stream.write_all(b"abc").await.unwrap();
    trip.tripped().await.unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).await.unwrap();
    let more = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut [0; 2])).await;
    assert!(more.is_err(), "bytes passed a stalled proxy");
    proxy.pass();
    let mut rest = [0; 2];
    stream.read_exact(&mut rest).await.unwrap();
    assert_eq!((&first, &rest), (b"a", b"bc"));
}

#[tokio::test]
async fn a_slow_answer_arrives_byte_by_byte_once_it_has_begun() {
    let (target, _echo) = echo().await;
    let proxy = Proxy::to(&target).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let trip = proxy.arm(Side::Server, Trigger::Pattern(b"b".to_vec()), Then::SlowBefore(20));
    let asked = tokio::time::Instant::now();
    assert_eq!(ask(&mut stream, b"abcde").await.unwrap(), b"abcde");
    assert!(asked.elapsed() >= 3 * BEAT, "{:?}", asked.elapsed());
    trip.tripped().await.unwrap();
    proxy.pass();
    assert_eq!(ask(&mut stream, b"again").await.unwrap(), b"again");
}

#[tokio::test]
async fn a_trip_that_lets_everything_pass_only_tells_of_it() {
    let (target, _echo) = echo().await;
    let proxy = Proxy::to(&target).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let trip = proxy.arm(Side::Client, Trigger::ack(), Then::Pass);
    assert_eq!(ask(&mut stream, &[1, 0, 0, 0, 13, 0, 60]).await.unwrap(), [1, 0, 0, 0, 13, 0, 60]);
    assert_eq!(ask(&mut stream, &[0, 80, 2, 3]).await.unwrap(), [0, 80, 2, 3]);
    trip.tripped().await.unwrap();
    assert_eq!(ask(&mut stream, b"again").await.unwrap(), b"again");
}

#[tokio::test]
async fn a_half_open_hop_takes_the_question_and_gives_no_answer() {
    let (target, _echo) = echo().await;
    let proxy = Proxy::to(&target).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(ask(&mut stream, b"1").await.is_some());
    proxy.set(Mode::HalfOpen(Side::Client));
    let none = tokio::time::timeout(Duration::from_millis(100), ask(&mut stream, b"2")).await;
    assert!(none.is_err());
}

#[tokio::test]
async fn a_hop_that_is_half_open_the_other_way_hears_no_question_until_it_passes_again() {
    let (target, _echo) = echo().await;
    let proxy = Proxy::to(&target).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(ask(&mut stream, b"1").await.is_some());
    proxy.set(Mode::HalfOpen(Side::Server));
    let none = tokio::time::timeout(Duration::from_millis(100), ask(&mut stream, b"2")).await;
    assert!(none.is_err());
    proxy.pass();
    let mut answer = [0; 1];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"2");
}

#[tokio::test]
async fn a_hop_was_in_the_way_only_of_bytes_that_had_to_wait_and_of_connections_that_broke() {
    let (target, _echo) = echo().await;
    let proxy = Proxy::to(&target).await.unwrap();
    let was = async |often: u64| {
        let often = crate::until("a hop in the way", Duration::from_secs(10), || async {
            Ok((proxy.in_the_way() == often).then_some(()))
        });
        often.await.unwrap();
    };
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(ask(&mut stream, b"1").await.is_some());
    proxy.stall();
    assert_eq!(proxy.in_the_way(), 0, "nobody sends anything");
    stream.write_all(b"2").await.unwrap();
    was(1).await;
    proxy.pass();
    stream.read_exact(&mut [0; 1]).await.unwrap();
    proxy.cut();
    was(2).await;
    assert!(ask(&mut TcpStream::connect(proxy.address()).await.unwrap(), b"3").await.is_none());
    was(3).await;
    proxy.pass();
    proxy.turn_to("127.0.0.1:9");
    assert!(ask(&mut TcpStream::connect(proxy.address()).await.unwrap(), b"4").await.is_none());
    assert_eq!((proxy.in_the_way(), proxy.led_to_nobody()), (3, 1), "it passes, and nobody is there");
}

#[tokio::test]
async fn a_trip_that_is_armed_no_more_changes_nothing() {
    let (target, _echo) = echo().await;
    let proxy = Proxy::to(&target).await.unwrap();
    let trip = proxy.arm(Side::Client, Trigger::Pattern(b"x".to_vec()), Then::CutBefore);
    proxy.disarm();
    assert!(trip.tripped().await.is_err());
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, b"x").await.unwrap(), b"x");
}

#[tokio::test]
async fn a_cut_before_a_pattern_lets_nothing_of_it_through() {
    let (target, _echo) = echo().await;
    let proxy = Proxy::to(&target).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let trip = proxy.arm(Side::Client, Trigger::commit_sent(), Then::CutBefore);
    stream.write_all(b"BEGIN\0COMMIT\0").await.unwrap();
    trip.tripped().await.unwrap();
    let mut seen = Vec::new();
    let _ = stream.read_to_end(&mut seen).await;
    assert!(!String::from_utf8_lossy(&seen).contains("COMMIT"));
    assert!(ask(&mut stream, b"x").await.is_none());
}

#[tokio::test]
async fn an_answer_cut_before_a_pattern_ends_before_it() {
    let (target, _echo) = echo().await;
    let proxy = Proxy::to(&target).await.unwrap();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let trip = proxy.arm(Side::Server, Trigger::commit_done(), Then::CutBefore);
        stream.write_all(b"COMMIT\0Z").await.unwrap();
        trip.tripped().await.unwrap();
        let mut seen = Vec::new();
        let _ = stream.read_to_end(&mut seen).await;
        assert!(seen.is_empty(), "{seen:?}");
        proxy.pass();
    }
}

#[tokio::test]
async fn what_a_stall_held_back_never_passes_a_cut() {
    let (target, _echo) = echo().await;
    let proxy = Proxy::to(&target).await.unwrap();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let trip = proxy.arm(Side::Server, Trigger::commit_done(), Then::StallBefore);
        stream.write_all(b"COMMIT\0Z").await.unwrap();
        trip.tripped().await.unwrap();
        proxy.cut_once();
        let mut seen = Vec::new();
        let _ = stream.read_to_end(&mut seen).await;
        assert!(seen.is_empty(), "{seen:?}");
    }
}

#[tokio::test]
async fn a_connection_is_led_to_the_first_target_that_takes_it() {
    let (target, _echo) = echo().await;
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let proxy = Proxy::to_first_of(vec![gone, target]).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut stream, b"hello").await.unwrap(), b"hello");
}
