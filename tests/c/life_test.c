/* open, adopt, disown, close. */
#include "fixture.h"

static const int no_room[] = {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM};

static void open_is_close_on_exec_and_nonblocking(void **state) {
    esock *s;
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 0, NULL), 0);
    assert_true(fcntl(esock_fd(s), F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(esock_fd(s), F_GETFL) & O_NONBLOCK);
    shut(s);
}

static void open_remembers_the_protocol_that_the_kernel_chose(void **state) {
    esock *s;
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 0, NULL), 0);
    assert_int_equal(esock_domain(s), AF_INET);
    assert_int_equal(esock_type(s), SOCK_STREAM);
    assert_int_equal(esock_protocol(s), IPPROTO_TCP);
    shut(s);
}

/* Of each kind of socket that the system opens without a protocol. */
static void open_asks_for_the_protocol_only_where_there_is_a_choice(void **state) {
    const int domains[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK};
    const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_RAW};
    unsigned opened = 0;
    for (size_t d = 0; d < LEN(domains); d++) {
        for (size_t t = 0; t < LEN(types); t++) {
            int fd = socket(domains[d], types[t], 0), protocol = -1;
            socklen_t len = sizeof protocol;
            if (fd < 0) continue;
            assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len), 0);
            close(fd);
            struct script k;
            esock *s;
            script_init(&k);
            assert_int_equal(esock_open(&s, domains[d], types[t], 0, &k.sys), 0);
            assert_int_equal(esock_protocol(s), protocol);
            bool inet = domains[d] == AF_INET || domains[d] == AF_INET6;
            bool certain = domains[d] == AF_UNIX || (inet && types[t] == SOCK_DGRAM);
            assert_int_equal(script_count(&k, K_GETSOCKOPT), !certain);
            shut(s);
            opened++;
        }
    }
    assert_true(opened >= 4); /* unix and inet */
}

static void open_believes_the_kernel_about_a_stream(void **state) {
    struct script k;
    esock *s;
    int mptcp = 262;
    script_init(&k);
    script_put(&k, K_GETSOCKOPT, (struct script_answer){.data = &mptcp, .data_len = sizeof mptcp});
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 0, &k.sys), 0);
    assert_int_equal(esock_protocol(s), mptcp);
    shut(s);
}

static void open_refuses_creation_flags(void **state) {
    esock *s = NULL;
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, NULL), -EINVAL);
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, NULL), -EINVAL);
    assert_null(s);
}

static void open_without_room_is_an_error_and_leaks_nothing(void **state) {
    int before = script_open_fds();
    for (size_t i = 0; i < LEN(no_room); i++) {
        struct script k;
        script_init(&k);
        script_answer(&k, K_SOCKET, no_room[i]);
        esock *s = NULL;
        assert_int_equal(esock_open(&s, AF_INET, SOCK_DGRAM, 0, &k.sys), no_room[i]);
        assert_null(s);
        assert_int_equal(esock_open(&s, AF_INET, SOCK_DGRAM, 0, &k.sys), 0);
        shut(s);
        assert_int_equal(script_count(&k, K_CLOSE), 1);
    }
    assert_int_equal(script_open_fds(), before);
}

static void adopt_learns_what_the_descriptor_is(void **state) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    esock *s;
    const char *missing = "unset";
    assert_int_equal(esock_adopt(&s, fd, 0, AF_UNIX, SOCK_DGRAM, 99, NULL, &missing), 0);
    assert_null(missing);
    assert_int_equal(esock_fd(s), fd);
    assert_int_equal(esock_domain(s), AF_INET); /* the kernel's answer, not the caller's argument */
    assert_int_equal(esock_type(s), SOCK_STREAM);
    assert_int_equal(esock_protocol(s), IPPROTO_TCP);
    shut(s);
    close(fd);
}

static void adopt_gives_the_flags_back_and_leaves_the_descriptor_open(void **state) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int before = fcntl(fd, F_GETFL);
    assert_false(before & O_NONBLOCK);
    esock *s;
    assert_int_equal(esock_adopt(&s, fd, 0, -1, -1, -1, NULL, NULL), 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    shut(s);
    assert_int_equal(fcntl(fd, F_GETFL), before);
    close(fd);
}

static void adopt_with_dup_owns_its_duplicate_alone(void **state) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    esock *s;
    assert_int_equal(esock_adopt(&s, fd, ESOCK_ADOPT_DUP, -1, -1, -1, NULL, NULL), 0);
    int dup = esock_fd(s);
    assert_int_not_equal(dup, fd);
    assert_true(fcntl(dup, F_GETFD) & FD_CLOEXEC);
    shut(s);
    assert_int_equal(fcntl(dup, F_GETFD), -1);
    assert_int_not_equal(fcntl(fd, F_GETFD), -1);
    close(fd);
}

static void adopt_that_takes_the_descriptor_closes_it(void **state) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    esock *s;
    assert_int_equal(esock_adopt(&s, fd, ESOCK_ADOPT_TAKE, -1, -1, -1, NULL, NULL), 0);
    assert_int_equal(esock_fd(s), fd);
    shut(s);
    assert_int_equal(fcntl(fd, F_GETFD), -1);

    fd = socket(AF_INET, SOCK_STREAM, 0);
    struct script k;
    script_init(&k);
    script_answer(&k, K_SETFL, -EPERM);
    assert_int_equal(esock_adopt(&s, fd, ESOCK_ADOPT_TAKE, -1, -1, -1, &k.sys, NULL), -EPERM);
    assert_int_equal(script_count(&k, K_CLOSE), 0); /* the caller keeps it */
    close(fd);
}

/* Of each of the three ways. */
static void adopt_that_fails_leaves_the_descriptor_as_it_was(void **state) {
    const unsigned ways[] = {0, ESOCK_ADOPT_DUP, ESOCK_ADOPT_TAKE};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int fl = fcntl(fd, F_GETFL), flags = fcntl(fd, F_GETFD), before = script_open_fds();
    esock *s = NULL;
    struct script k;
    for (size_t i = 0; i < LEN(ways); i++) {
        for (int call = K_GETFL; call <= K_SETFD; call++) {
            script_init(&k);
            script_answer(&k, (enum script_call)call, -EPERM);
            int r = esock_adopt(&s, fd, ways[i], -1, -1, -1, &k.sys, NULL);
            if (call >= K_GETFD && ways[i] != ESOCK_ADOPT_TAKE) {
                assert_int_equal(r, 0); /* they are not asked nor changed there */
                shut(s);
                fcntl(fd, F_SETFL, fl);
                continue;
            }
            assert_int_equal(r, -EPERM);
            assert_int_equal(fcntl(fd, F_GETFL), fl);
            assert_int_equal(fcntl(fd, F_GETFD), flags);
            assert_int_equal(script_open_fds(), before);
        }
    }
    close(fd);
}

/* Of each way, and of each kind of flags. */
static void adoption_that_is_given_back_was_none(void **state) {
    const unsigned ways[] = {0, ESOCK_ADOPT_DUP, ESOCK_ADOPT_TAKE};
    for (int flags = 0; flags < 4; flags++) {
        int type = SOCK_STREAM | (flags & 1 ? SOCK_CLOEXEC : 0) | (flags & 2 ? SOCK_NONBLOCK : 0);
        int fd = socket(AF_INET, type, 0);
        int fl = fcntl(fd, F_GETFL), fd_flags = fcntl(fd, F_GETFD), before = script_open_fds();
        struct linger l = {1, 7};
        socklen_t len = sizeof l;
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, len), 0);
        for (size_t i = 0; i < LEN(ways); i++) {
            esock *s;
            assert_int_equal(esock_adopt(&s, fd, ways[i], -1, -1, -1, NULL, NULL), 0);
            assert_int_equal(esock_close(s, ESOCK_CLOSE_GIVE_BACK, NULL, NULL), 0);
            assert_int_equal(fcntl(fd, F_GETFL), fl);
            assert_int_equal(fcntl(fd, F_GETFD), fd_flags);
            assert_int_equal(script_open_fds(), before);
            assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &len), 0);
            assert_int_equal(l.l_linger, 7);
        }
        close(fd);
    }
    /* A handle that was opened has no descriptor to give back. */
    esock *s;
    int before = script_open_fds();
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 0, NULL), 0);
    assert_int_equal(esock_close(s, ESOCK_CLOSE_GIVE_BACK, NULL, NULL), 0);
    assert_int_equal(script_open_fds(), before);
}

static void adopted_descriptor_is_close_on_exec_unless_it_stays_the_callers(void **state) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    esock *s;
    assert_int_equal(esock_adopt(&s, fd, 0, -1, -1, -1, NULL, NULL), 0);
    assert_false(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    shut(s);
    assert_int_equal(esock_adopt(&s, fd, ESOCK_ADOPT_TAKE, -1, -1, -1, NULL, NULL), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    shut(s);
}

static void adopt_names_what_is_missing(void **state) {
    esock *s = NULL;
    const char *missing = NULL;
    struct script k;
    script_init(&k);
    script_times(&k, K_GETSOCKOPT, 3, -ENOPROTOOPT);
    assert_int_equal(esock_adopt(&s, 0, 0, -1, -1, -1, &k.sys, &missing), -EINVAL);
    assert_string_equal(missing, "domain");

    int domain = AF_INET;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    script_init(&k);
    script_put(&k, K_GETSOCKOPT,
               (struct script_answer){.data = &domain, .data_len = sizeof domain});
    script_answer(&k, K_GETSOCKOPT, -ENOPROTOOPT);
    assert_int_equal(esock_adopt(&s, fd, 0, -1, -1, -1, &k.sys, &missing), -EINVAL);
    assert_string_equal(missing, "type");
    assert_null(s);
    close(fd);
}

static void adopt_takes_the_callers_word_where_the_kernel_is_silent(void **state) {
    struct script k;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    esock *s;
    script_init(&k);
    script_times(&k, K_GETSOCKOPT, 3, -ENOPROTOOPT);
    assert_int_equal(esock_adopt(&s, fd, 0, AF_INET, SOCK_DGRAM, -1, &k.sys, NULL), 0);
    assert_int_equal(esock_domain(s), AF_INET);
    assert_int_equal(esock_protocol(s), 0);
    shut(s);
    close(fd);
}

static void adopt_of_a_bad_descriptor_with_everything_said_is_ebadf(void **state) {
    esock *s = NULL;
    assert_int_equal(esock_adopt(&s, -1, 0, AF_INET, SOCK_DGRAM, 0, NULL, NULL), -EBADF);
    assert_int_equal(esock_adopt(&s, -1, ESOCK_ADOPT_DUP, AF_INET, SOCK_DGRAM, 0, NULL, NULL),
                     -EBADF);
    assert_null(s);
}

static void adopt_says_what_is_no_socket(void **state) {
    esock *s = NULL;
    const char *missing = "";
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(esock_adopt(&s, -1, 0, -1, -1, -1, NULL, &missing), -EBADF);
    assert_null(missing);
    for (unsigned flags = 0; flags <= ESOCK_ADOPT_TAKE; flags++)
        assert_int_equal(esock_adopt(&s, fds[0], flags, -1, -1, -1, NULL, &missing), -ENOTSOCK);
    assert_null(missing);
    assert_int_equal(esock_adopt(&s, fds[0], 0, AF_INET, -1, -1, NULL, &missing), -ENOTSOCK);
    assert_int_equal(esock_adopt(&s, fds[0], 0, AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, &missing),
                     -ENOTSOCK);
    assert_null(s);
    close(fds[0]);
    close(fds[1]);
}

static void adopt_that_fails_half_way_leaks_nothing(void **state) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int before = script_open_fds();
    esock *s = NULL;
    struct script k;
    for (size_t i = 0; i < LEN(no_room); i++) {
        script_init(&k);
        script_answer(&k, K_DUP, no_room[i]);
        assert_int_equal(esock_adopt(&s, fd, ESOCK_ADOPT_DUP, -1, -1, -1, &k.sys, NULL),
                         no_room[i]);
        assert_int_equal(script_count(&k, K_CLOSE), 0);
    }
    script_init(&k);
    script_answer(&k, K_SETFL, -EPERM);
    assert_int_equal(esock_adopt(&s, fd, ESOCK_ADOPT_DUP, -1, -1, -1, &k.sys, NULL), -EPERM);
    assert_int_equal(script_count(&k, K_CLOSE), 1);
    assert_null(s);
    assert_int_equal(script_open_fds(), before);
    close(fd);
}

static void disowned_descriptor_is_the_callers_to_close(void **state) {
    struct script k;
    esock *s;
    script_init(&k);
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 0, &k.sys), 0);
    int fd = esock_disown(s);
    assert_int_equal(fd, esock_fd(s));
    esock_addr a;
    assert_int_equal(esock_sockname(s, &a), 0); /* every call but close works as before */
    shut(s);
    assert_int_equal(script_count(&k, K_CLOSE), 0);
    assert_int_equal(close(fd), 0);
}

static void dup_is_close_on_exec_and_the_callers(void **state) {
    esock *s;
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 0, NULL), 0);
    int fd = esock_dup(s);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    shut(s);
    assert_int_equal(close(fd), 0);
}

static void close_that_is_interrupted_is_not_repeated(void **state) {
    struct script k;
    esock *s;
    int before = script_open_fds();
    script_init(&k);
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 0, &k.sys), 0);
    script_answer(&k, K_CLOSE, -EINTR);
    assert_int_equal(esock_close(s, 0, NULL, NULL),
                     -EINTR); /* and the handle is freed: a leak check sees */
    assert_int_equal(script_count(&k, K_CLOSE), 1);
    assert_int_equal(script_open_fds(), before);
}

static void set_linger(esock *s, int on, int seconds) {
    struct linger l = {on, seconds};
    assert_int_equal(esock_setopt_native(s, SOL_SOCKET, SO_LINGER, &l, sizeof l), 0);
}

static esock *lingering(struct script *k, int on, int seconds) {
    esock *s;
    script_init(k);
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 0, &k->sys), 0);
    set_linger(s, on, seconds);
    return s;
}

/* The ways by which linger can be on. Each returns a socket whose linger is. */
static esock *opened(struct script *k) {
    esock *s;
    script_init(k);
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, IPPROTO_TCP, &k->sys), 0);
    return s;
}

static const esock_linger seven = {.onoff = 1, .seconds = 7};

static esock *by_option(struct script *k) {
    esock *s = opened(k);
    assert_int_equal(esock_setopt(s, option_row("socket", "linger"), 0, &seven, sizeof seven), 0);
    return s;
}

static esock *by_batch(struct script *k) {
    esock *s = opened(k);
    esock_optcall c = {.row = (uint16_t)option_row("socket", "linger"), .len = sizeof seven};
    assert_int_equal(esock_setopts(s, &c, 1, &seven, sizeof seven), 1);
    return s;
}

static esock *by_number(struct script *k) {
    esock *s = opened(k);
    set_linger(s, 1, 7);
    return s;
}

static esock *by_descriptor(struct script *k) {
    esock *s = opened(k);
    assert_int_equal(setsockopt(esock_fd(s), SOL_SOCKET, SO_LINGER, &seven, sizeof seven), 0);
    return s;
}

static esock *by_duplicate(struct script *k) {
    esock *s = opened(k);
    int fd = esock_dup(s);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &seven, sizeof seven), 0);
    close(fd);
    return s;
}

static esock *by_adoption(struct script *k) {
    esock *s;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &seven, sizeof seven), 0);
    script_init(k);
    assert_int_equal(esock_adopt(&s, fd, ESOCK_ADOPT_TAKE, -1, -1, -1, &k->sys, NULL), 0);
    return s;
}

/* The peer is closed first: an accepted connection of a listener that lingers. */
static esock *accepted_of(struct script *k, bool exposed) {
    esock_addr at;
    esock *s;
    script_init(k);
    esock *l = listener(&k->sys, 1, &at);
    if (exposed)
        assert_int_equal(setsockopt(esock_fd(l), SOL_SOCKET, SO_LINGER, &seven, sizeof seven), 0);
    else
        set_linger(l, 1, 7);
    shut(client(NULL, &at));
    int r;
    while ((r = esock_accept(l, 0, &s, NULL)) == -EAGAIN) {
    }
    assert_int_equal(r, 0);
    set_linger(l, 0, 0);
    shut(l);
    return s;
}

static esock *by_listener(struct script *k) {
    return accepted_of(k, false);
}

static esock *by_exposed_listener(struct script *k) {
    return accepted_of(k, true);
}

typedef esock *way_fn(struct script *k);
static way_fn *const lingering_ways[] = {by_option,     by_batch,           by_number,
                                         by_descriptor, by_duplicate,       by_adoption,
                                         by_listener,   by_exposed_listener};

static void close_reckons_with_linger_however_it_was_set(void **state) {
    for (size_t i = 0; i < LEN(lingering_ways); i++) {
        struct script k;
        esock *s = lingering_ways[i](&k);
        unsigned closed = script_count(&k, K_CLOSE), lingered = script_count(&k, K_CLOSE_LINGERING);
        shut(s);
        assert_int_equal(script_count(&k, K_CLOSE), closed);
        assert_int_equal(script_count(&k, K_CLOSE_LINGERING), lingered + 1);

        s = lingering_ways[i](&k);
        lingered = script_count(&k, K_CLOSE_LINGERING);
        assert_int_equal(esock_close(s, ESOCK_CLOSE_NOLINGER, NULL, NULL), 0);
        assert_int_equal(script_count(&k, K_CLOSE_LINGERING), lingered);
        const struct script_seen *set = script_last(&k, K_SETSOCKOPT);
        assert_int_equal(set->b, SO_LINGER);
        assert_memory_equal(set->data, "\0\0\0\0", sizeof(int));

        s = lingering_ways[i](&k);
        int fd = esock_disown(s);
        assert_int_equal(esock_reclaim(s), 0); /* the handle owns a duplicate */
        close(fd);
        lingered = script_count(&k, K_CLOSE_LINGERING);
        shut(s);
        assert_int_equal(script_count(&k, K_CLOSE_LINGERING), lingered + 1);
    }
}

static void close_does_not_ask_for_a_linger_that_cannot_be(void **state) {
    for (unsigned flags = 0; flags <= ESOCK_CLOSE_NOLINGER; flags++) {
        struct script k;
        esock *s = opened(&k);
        assert_int_equal(esock_close(s, flags, NULL, NULL), 0);
        assert_int_equal(script_count(&k, K_CLOSE), 1);
        assert_int_equal(k.all, 2); /* socket and close */
    }
    struct script k;
    esock *s = opened(&k);
    int fd = esock_disown(s);
    assert_int_equal(esock_reclaim(s), 0);
    esock_nolinger(s);
    shut(s);
    close(fd);
    assert_int_equal(k.all, 1);
}

static void close_without_linger_switches_a_positive_one_off_first(void **state) {
    struct script k;
    struct linger seen;
    esock *s = lingering(&k, 1, 2);
    assert_int_equal(esock_close(s, ESOCK_CLOSE_NOLINGER, NULL, NULL), 0);
    assert_int_equal(script_count(&k, K_SETSOCKOPT), 2);
    const struct script_seen *set = script_last(&k, K_SETSOCKOPT);
    assert_int_equal(set->b, SO_LINGER);
    memcpy(&seen, set->data, sizeof seen);
    assert_int_equal(seen.l_onoff, 0);
    assert_true(set->at < script_last(&k, K_CLOSE)->at);
}

static void close_without_linger_keeps_an_abort(void **state) {
    struct script k;
    esock *s = lingering(&k, 1, 0);
    assert_int_equal(esock_close(s, ESOCK_CLOSE_NOLINGER, NULL, NULL), 0);
    assert_int_equal(script_count(&k, K_SETSOCKOPT), 1);
}

static void close_leaves_linger_alone_unless_asked(void **state) {
    struct script k;
    esock *s = lingering(&k, 1, 1); /* nothing unsent: close does not sleep */
    shut(s);
    assert_int_equal(script_count(&k, K_SETSOCKOPT), 1);
}

static void close_copies_the_counters_out(void **state) {
    esock *a, *b;
    esock_counters c;
    esock_sendfile_counters f;
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_send(a, "abc", 3, 0, 0), 3);
    memset(&f, 0xff, sizeof f);
    assert_int_equal(esock_close(a, 0, &c, &f), 0);
    assert_int_equal(c.value[ESOCK_WRITE_BYTE], 3);
    assert_int_equal(c.layout, ESOCK_COUNTERS_LAYOUT);
    assert_int_equal(f.value[ESOCK_SENDFILE], 0); /* no sendfile: zeros */
    shut(b);
}

static void refresh_learns_a_changed_domain(void **state) {
    struct script k;
    int domain = AF_INET;
    esock *s;
    script_init(&k);
    assert_int_equal(esock_open(&s, AF_UNIX, SOCK_STREAM, 0, &k.sys), 0);
    script_put(&k, K_GETSOCKOPT,
               (struct script_answer){.data = &domain, .data_len = sizeof domain});
    esock_refresh(s);
    assert_int_equal(esock_domain(s), AF_INET);
    script_answer(&k, K_GETSOCKOPT, -EBADF);
    esock_refresh(s);
    assert_int_equal(esock_domain(s), AF_INET); /* without an answer nothing changes */
    shut(s);
}

static void version_is_the_headers(void **state) {
    assert_string_equal(esock_version(), ESOCK_VERSION);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_is_close_on_exec_and_nonblocking),
        cmocka_unit_test(open_remembers_the_protocol_that_the_kernel_chose),
        cmocka_unit_test(open_asks_for_the_protocol_only_where_there_is_a_choice),
        cmocka_unit_test(open_believes_the_kernel_about_a_stream),
        cmocka_unit_test(open_refuses_creation_flags),
        cmocka_unit_test(open_without_room_is_an_error_and_leaks_nothing),
        cmocka_unit_test(adopt_learns_what_the_descriptor_is),
        cmocka_unit_test(adopt_gives_the_flags_back_and_leaves_the_descriptor_open),
        cmocka_unit_test(adopt_with_dup_owns_its_duplicate_alone),
        cmocka_unit_test(adopt_that_takes_the_descriptor_closes_it),
        cmocka_unit_test(adopt_that_fails_leaves_the_descriptor_as_it_was),
        cmocka_unit_test(adoption_that_is_given_back_was_none),
        cmocka_unit_test(adopted_descriptor_is_close_on_exec_unless_it_stays_the_callers),
        cmocka_unit_test(adopt_names_what_is_missing),
        cmocka_unit_test(adopt_takes_the_callers_word_where_the_kernel_is_silent),
        cmocka_unit_test(adopt_of_a_bad_descriptor_with_everything_said_is_ebadf),
        cmocka_unit_test(adopt_says_what_is_no_socket),
        cmocka_unit_test(adopt_that_fails_half_way_leaks_nothing),
        cmocka_unit_test(disowned_descriptor_is_the_callers_to_close),
        cmocka_unit_test(dup_is_close_on_exec_and_the_callers),
        cmocka_unit_test(close_that_is_interrupted_is_not_repeated),
        cmocka_unit_test(close_reckons_with_linger_however_it_was_set),
        cmocka_unit_test(close_does_not_ask_for_a_linger_that_cannot_be),
        cmocka_unit_test(close_without_linger_switches_a_positive_one_off_first),
        cmocka_unit_test(close_without_linger_keeps_an_abort),
        cmocka_unit_test(close_leaves_linger_alone_unless_asked),
        cmocka_unit_test(close_copies_the_counters_out),
        cmocka_unit_test(refresh_learns_a_changed_domain),
        cmocka_unit_test(version_is_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
