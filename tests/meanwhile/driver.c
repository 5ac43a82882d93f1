/*
 * One Sametime client on Debian's libmeanwhile, driven line by line.
 *
 *   driver HOST PORT USER PASSWORD
 *
 * Each line on standard input is a command; each line on standard output is an event. Both are
 * words separated by one space. Inside a word every byte that is not printable ASCII, the space
 * and the percent sign are written %XX, so that any text fits into one word. The first word of an
 * event is its kind, the others are field=value. Numbers are hexadecimal with 0x in front.
 *
 * The library's own warnings are events too: a server that makes it warn sent something odd.
 *
 * What the library prints for debugging goes to standard error. The process ends with standard
 * input, or by "quit". One process per client: if the server makes the library crash, exactly one
 * client is gone, and its test says so.
 *
 * The commands are the rows of `commands` at the end of this file.
 */

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include <mw_channel.h>
#include <mw_cipher.h>
#include <mw_common.h>
#include <mw_error.h>
#include <mw_service.h>
#include <mw_session.h>
#include <mw_srvc_aware.h>
#include <mw_srvc_conf.h>
#include <mw_srvc_ft.h>
#include <mw_srvc_im.h>
#include <mw_srvc_place.h>
#include <mw_srvc_resolve.h>
#include <mw_srvc_store.h>
#include <mw_st_list.h>

/* The words of one command; the first one is its name. */
#define WORDS_MAX 64

/* The first frame from the server, HANDSHAKE_ACK, has 88 bytes behind its length; see old_server(). */
#define FIRST_FRAME_MAX 1024

/* Channels are looked up by number (the library has no other way); a test opens only a few. */
#define CHANNEL_PROBES 200

static const char *host, *port;
static int sock = -1;
static gsize bytes_received;
static gboolean close_wanted;
static gboolean weak_authentication;
static GByteArray *first_frame;

static struct mwSession *session;
static struct mwServiceAware *aware;
static struct mwServiceConference *conferences;
static struct mwServiceFileTransfer *files;
static struct mwServiceIm *im;
static struct mwServicePlace *places;
static struct mwServiceResolve *resolver;
static struct mwServiceStorage *storage;
static struct mwAwareList *watched;

/* ---- events ---- */

static void put_escaped(const char *text) {
  const unsigned char *c;
  for (c = (const unsigned char *) (text ? text : ""); *c; c++) {
    if (*c > 0x20 && *c < 0x7f && *c != '%')
      putchar(*c);
    else
      printf("%%%02X", *c);
  }
}

static void event(const char *kind) {
  fputs(kind, stdout);
}

static void field(const char *name, const char *value) {
  printf(" %s=", name);
  put_escaped(value);
}

static void field_number(const char *name, guint32 value) {
  printf(" %s=0x%x", name, value);
}

static void field_count(const char *name, gsize value) {
  printf(" %s=%lu", name, (unsigned long) value);
}

static void field_hex(const char *name, const struct mwOpaque *value) {
  gsize i;
  printf(" %s=", name);
  for (i = 0; value && i < value->len; i++)
    printf("%02x", value->data[i]);
}

static void event_end(void) {
  putchar('\n');
  fflush(stdout);
}

static void complain(const char *what, const char *about) {
  event("error");
  field("text", what);
  field("about", about);
  event_end();
}

static void on_log(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer unused) {
  (void) unused;
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)) {
    event("warning");
    field("text", text);
    event_end();
  }
  fprintf(stderr, "%s: %s\n", domain ? domain : "-", text);
}

static const char *status_name(guint16 status) {
  switch (status) {
  case mwStatus_OFFLINE: return "offline";
  case mwStatus_ACTIVE: return "active";
  case mwStatus_IDLE: return "idle";
  case mwStatus_AWAY: return "away";
  case mwStatus_BUSY: return "busy";
  default: return "other";
  }
}

/* ---- the stream ---- */

static void stream_close(void) {
  if (sock >= 0)
    close(sock);
  sock = -1;
}

/*
 * Turns the server's HANDSHAKE_ACK into one of an old server, without a Diffie-Hellman key. It is
 * the only way to make the library authenticate with RC2/40. The frame is held back until it is
 * complete. Source: docs/protocol/connection.md, "HANDSHAKE_ACK".
 */
static void old_server(const guchar *data, gsize len) {
  /* length, type, options, channel, major, minor, address, magic */
  static const gsize key_at = 4 + 8 + 4 + 4 + 4;
  gsize frame;

  g_byte_array_append(first_frame, data, len);
  while (first_frame->len && first_frame->data[0] & 0x80)
    g_byte_array_remove_index(first_frame, 0);
  if (first_frame->len < 4)
    return;
  frame = 4 + ((gsize) first_frame->data[2] << 8 | first_frame->data[3]);
  if (first_frame->len < frame)
    return;

  weak_authentication = FALSE;
  if (frame > key_at && frame < FIRST_FRAME_MAX && first_frame->data[4] == 0x80) {
    guchar cut[32];
    memcpy(cut, first_frame->data, key_at);
    memset(cut + key_at, 0, 4);
    cut[2] = 0;
    cut[3] = (guchar) key_at; /* the bytes behind the length: key_at - 4 + an empty opaque */
    mwSession_recv(session, cut, key_at + 4);
  } else {
    mwSession_recv(session, first_frame->data, frame);
  }
  if (first_frame->len > frame)
    mwSession_recv(session, first_frame->data + frame, first_frame->len - frame);
}

static void stream_read(void) {
  guchar buffer[16384];
  ssize_t got = read(sock, buffer, sizeof buffer);

  if (got > 0) {
    bytes_received += (gsize) got;
    if (weak_authentication)
      old_server(buffer, (gsize) got);
    else
      mwSession_recv(session, buffer, (gsize) got);
  } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
    event("stream-end");
    field_count("bytes", bytes_received);
    event_end();
    stream_close();
    if (!mwSession_isStopped(session) && !mwSession_isStopping(session))
      mwSession_stop(session, CONNECTION_BROKEN);
  }
  if (close_wanted)
    stream_close();
}

static int on_write(struct mwSession *s, const guchar *data, gsize len) {
  (void) s;
  while (len) {
    ssize_t done = sock < 0 ? -1 : send(sock, data, len, MSG_NOSIGNAL);
    if (done < 0 && sock >= 0 && errno == EINTR)
      continue;
    if (done < 0)
      return 1;
    data += done;
    len -= (gsize) done;
  }
  return 0;
}

/* Called from inside mwSession_recv, so the socket is closed when that has returned. */
static void on_close(struct mwSession *s) {
  (void) s;
  close_wanted = TRUE;
}

static gboolean stream_open(void) {
  struct addrinfo hints, *found, *address;
  int yes = 1;

  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host, port, &hints, &found))
    return FALSE;
  for (address = found; address && sock < 0; address = address->ai_next) {
    sock = socket(address->ai_family, address->ai_socktype, address->ai_protocol);
    if (sock >= 0 && connect(sock, address->ai_addr, address->ai_addrlen))
      stream_close();
  }
  freeaddrinfo(found);
  if (sock >= 0)
    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return sock >= 0;
}

/* ---- session ---- */

static void on_state(struct mwSession *s, enum mwSessionState state, gpointer info) {
  struct mwLoginInfo *login;

  switch (state) {
  case mwSession_STARTED:
    login = mwSession_getLoginInfo(s);
    event("started");
    field("login", login ? login->login_id : "");
    field("user", login ? login->user_id : "");
    field("name", login ? login->user_name : "");
    field("community", login ? login->community : "");
    event_end();
    break;
  case mwSession_LOGIN_REDIR:
    event("redirected");
    field("host", info);
    event_end();
    break;
  case mwSession_STOPPING:
    event("stopping");
    field_number("reason", GPOINTER_TO_UINT(info));
    event_end();
    break;
  case mwSession_STOPPED:
    event("stopped");
    field_number("reason", GPOINTER_TO_UINT(info));
    event_end();
    break;
  default:
    break;
  }
}

static void on_privacy(struct mwSession *s) {
  struct mwPrivacyInfo *privacy = mwSession_getPrivacyInfo(s);
  guint32 i;

  event("privacy");
  field("deny", privacy->deny ? "yes" : "no");
  field_count("count", privacy->count);
  for (i = 0; i < privacy->count; i++)
    field("user", privacy->users[i].id);
  event_end();
}

static void on_own_status(struct mwSession *s) {
  struct mwUserStatus *status = mwSession_getUserStatus(s);

  event("own-status");
  field("status", status_name(status->status));
  field("text", status->desc);
  event_end();
}

static void on_admin(struct mwSession *s, const char *text) {
  (void) s;
  event("admin");
  field("text", text);
  event_end();
}

static void on_announce(struct mwSession *s, struct mwLoginInfo *from, gboolean may_reply, const char *text) {
  (void) s;
  event("announce");
  field("from", from ? from->user_id : "");
  field("reply", may_reply ? "yes" : "no");
  field("text", text);
  event_end();
}

static struct mwSessionHandler session_handler = {
  .io_write = on_write,
  .io_close = on_close,
  .on_stateChange = on_state,
  .on_setPrivacyInfo = on_privacy,
  .on_setUserStatus = on_own_status,
  .on_admin = on_admin,
  .on_announce = on_announce,
};

/* ---- awareness ---- */

static void on_aware(struct mwAwareList *list, struct mwAwareSnapshot *snapshot) {
  (void) list;
  event("aware");
  field("user", snapshot->id.user);
  field("group", snapshot->group);
  field("status", snapshot->online ? status_name(snapshot->status.status) : "offline");
  field("text", snapshot->online ? snapshot->status.desc : "");
  field("name", snapshot->online ? snapshot->name : "");
  event_end();
}

static void on_attribute(struct mwAwareList *list, struct mwAwareIdBlock *id, struct mwAwareAttribute *attribute) {
  (void) list;
  event("attribute");
  field("user", id->user);
  field_number("key", mwAwareAttribute_getKey(attribute));
  field_hex("value", mwAwareAttribute_asOpaque(attribute));
  event_end();
}

static void on_own_attribute(struct mwServiceAware *service, struct mwAwareAttribute *attribute) {
  (void) service;
  (void) attribute;
}

static struct mwAwareHandler aware_handler = { .on_attrib = on_own_attribute };
static struct mwAwareListHandler aware_list_handler = { .on_aware = on_aware, .on_attrib = on_attribute };

static void change_watch(enum mwAwareType type, gboolean add, char **users, int count) {
  GList *ids = NULL;
  int i;

  for (i = 0; i < count; i++) {
    struct mwAwareIdBlock *id = g_new0(struct mwAwareIdBlock, 1);
    id->type = type;
    id->user = users[i];
    ids = g_list_append(ids, id);
  }
  if (add)
    mwAwareList_addAware(watched, ids);
  else
    mwAwareList_removeAware(watched, ids);
  g_list_free_full(ids, g_free);
}

/* ---- conversations ---- */

/* The cipher of an open conversation, from its channel: a conversation itself does not say it. */
static const char *cipher_with(const char *user) {
  struct mwChannelSet *channels = mwSession_getChannels(session);
  const char *name = "unknown";
  guint32 i;

  for (i = 1; i < 2 * CHANNEL_PROBES; i++) {
    guint32 id = i < CHANNEL_PROBES ? i : 0x80000000 + i - CHANNEL_PROBES;
    struct mwChannel *channel = mwChannel_find(channels, id);
    struct mwLoginInfo *peer;
    struct mwCipherInstance *cipher;

    if (!channel || mwChannel_getServiceId(channel) != mwService_IM)
      continue;
    peer = mwChannel_getUser(channel);
    if (!peer || g_strcmp0(peer->user_id, user))
      continue;
    cipher = mwChannel_getCipherInstance(channel);
    if (!cipher)
      name = "none";
    else
      name = mwCipher_getType(mwCipherInstance_getCipher(cipher)) == mwCipher_RC2_128 ? "rc2-128" : "rc2-40";
  }
  return name;
}

static void on_im_opened(struct mwConversation *conversation) {
  struct mwIdBlock *peer = mwConversation_getTarget(conversation);
  struct mwLoginInfo *login = mwConversation_getTargetInfo(conversation);

  event("im-opened");
  field("with", peer->user);
  field("login", login ? login->login_id : "");
  field("cipher", cipher_with(peer->user));
  field("rich", mwConversation_supports(conversation, mwImSend_HTML) ? "yes" : "no");
  event_end();
}

static void on_im_closed(struct mwConversation *conversation, guint32 reason) {
  event("im-closed");
  field("with", mwConversation_getTarget(conversation)->user);
  field_number("reason", reason);
  event_end();
}

static void on_im_received(struct mwConversation *conversation, enum mwImSendType type, gconstpointer message) {
  static const char *const kinds[] = {
    [mwImSend_PLAIN] = "text",
    [mwImSend_TYPING] = "typing",
    [mwImSend_HTML] = "html",
    [mwImSend_SUBJECT] = "subject",
    [mwImSend_MIME] = "mime",
  };
  const char *kind = type < G_N_ELEMENTS(kinds) ? kinds[type] : NULL;

  event(kind ? kind : "im-other");
  field("from", mwConversation_getTarget(conversation)->user);
  if (type == mwImSend_TYPING)
    field("on", GPOINTER_TO_UINT(message) ? "yes" : "no");
  else
    field("text", message);
  event_end();
}

static void on_place_invite(struct mwConversation *conversation, const char *message, const char *title,
                            const char *name) {
  event("place-invite");
  field("from", mwConversation_getTarget(conversation)->user);
  field("name", name);
  field("title", title);
  field("text", message);
  event_end();
}

static struct mwImHandler im_handler = {
  .conversation_opened = on_im_opened,
  .conversation_closed = on_im_closed,
  .conversation_recv = on_im_received,
  .place_invite = on_place_invite,
};

static struct mwConversation *conversation_with(char *user) {
  struct mwIdBlock id = { .user = user, .community = NULL };
  return mwServiceIm_getConversation(im, &id);
}

static void send_im(char **word, enum mwImSendType type, gconstpointer message) {
  struct mwConversation *conversation = conversation_with(word[1]);

  if (!mwConversation_isOpen(conversation))
    complain("the conversation is not open", word[1]);
  else if (mwConversation_send(conversation, type, message))
    complain("the library refuses to send", word[0]);
}

/* ---- resolve ---- */

static void on_resolved(struct mwServiceResolve *service, guint32 id, guint32 code, GList *results, gpointer unused) {
  GList *r, *m;
  (void) service;
  (void) unused;
  (void) id;

  for (r = results; r; r = r->next) {
    struct mwResolveResult *result = r->data;

    for (m = result->matches; m; m = m->next) {
      struct mwResolveMatch *match = m->data;
      event("match");
      field("query", result->name);
      field("id", match->id);
      field("name", match->name);
      field("kind", match->type == mwResolveMatch_GROUP ? "group" : "user");
      event_end();
    }
    event("resolved");
    field("query", result->name);
    field_number("code", result->code);
    field_count("matches", g_list_length(result->matches));
    event_end();
  }
  event("resolve-done");
  field_number("code", code);
  event_end();
}

/* ---- storage ---- */

static void on_saved(struct mwServiceStorage *service, guint32 result, struct mwStorageUnit *unit, gpointer unused) {
  (void) service;
  (void) unused;
  event("saved");
  field_number("key", mwStorageUnit_getKey(unit));
  field_number("result", result);
  event_end();
}

static void on_loaded(struct mwServiceStorage *service, guint32 result, struct mwStorageUnit *unit, gpointer unused) {
  char *text = result ? NULL : mwStorageUnit_asString(unit);
  (void) service;
  (void) unused;

  event("loaded");
  field_number("key", mwStorageUnit_getKey(unit));
  field_number("result", result);
  field("text", text);
  event_end();
  g_free(text);
}

static void on_contacts(struct mwServiceStorage *service, guint32 result, struct mwStorageUnit *unit, gpointer unused) {
  char *text = result ? NULL : mwStorageUnit_asString(unit);
  struct mwSametimeList *list = text ? mwSametimeList_load(text) : NULL;
  GList *groups, *users, *g, *u;
  (void) service;
  (void) unused;

  if (list) {
    groups = mwSametimeList_getGroups(list);
    for (g = groups; g; g = g->next) {
      users = mwSametimeGroup_getUsers(g->data);
      for (u = users; u; u = u->next) {
        event("contact");
        field("group", mwSametimeGroup_getName(g->data));
        field("user", mwSametimeUser_getUser(u->data));
        field("alias", mwSametimeUser_getAlias(u->data));
        event_end();
      }
      g_list_free(users);
    }
    g_list_free(groups);
    mwSametimeList_free(list);
  }
  event("contacts");
  field_number("result", result);
  event_end();
  g_free(text);
}

/* ---- services that this server refuses ---- */

static void on_conference_invited(struct mwConference *conference, struct mwLoginInfo *inviter, const char *text) {
  event("conference-invited");
  field("from", inviter ? inviter->user_id : "");
  field("title", mwConference_getTitle(conference));
  field("text", text);
  event_end();
}

static void on_conference_opened(struct mwConference *conference, GList *members) {
  event("conference-opened");
  field("title", mwConference_getTitle(conference));
  field_count("members", g_list_length(members));
  event_end();
}

static void on_conference_closed(struct mwConference *conference, guint32 reason) {
  event("conference-closed");
  field("title", mwConference_getTitle(conference));
  field_number("reason", reason);
  event_end();
}

static void on_conference_member(struct mwConference *conference, struct mwLoginInfo *who) {
  (void) conference;
  (void) who;
}

static void on_conference_text(struct mwConference *conference, struct mwLoginInfo *who, const char *text) {
  event("conference-text");
  field("title", mwConference_getTitle(conference));
  field("from", who ? who->user_id : "");
  field("text", text);
  event_end();
}

static void on_conference_typing(struct mwConference *conference, struct mwLoginInfo *who, gboolean typing) {
  (void) conference;
  (void) who;
  (void) typing;
}

static struct mwConferenceHandler conference_handler = {
  .on_invited = on_conference_invited,
  .conf_opened = on_conference_opened,
  .conf_closed = on_conference_closed,
  .on_peer_joined = on_conference_member,
  .on_peer_parted = on_conference_member,
  .on_text = on_conference_text,
  .on_typing = on_conference_typing,
};

static void on_place_opened(struct mwPlace *place) {
  event("place-opened");
  field("name", mwPlace_getName(place));
  event_end();
}

static void on_place_closed(struct mwPlace *place, guint32 reason) {
  event("place-closed");
  field("name", mwPlace_getName(place));
  field_number("reason", reason);
  event_end();
}

static void on_place_peer(struct mwPlace *place, const struct mwIdBlock *peer) {
  (void) place;
  (void) peer;
}

static void on_place_text(struct mwPlace *place, const struct mwIdBlock *who, const char *text) {
  event("place-text");
  field("name", mwPlace_getName(place));
  field("from", who ? who->user : "");
  field("text", text);
  event_end();
}

static struct mwPlaceHandler place_handler = {
  .opened = on_place_opened,
  .closed = on_place_closed,
  .peerJoined = on_place_peer,
  .peerParted = on_place_peer,
  .message = on_place_text,
};

static void on_file_offered(struct mwFileTransfer *file) {
  event("file-offered");
  field("from", mwFileTransfer_getUser(file)->user);
  field("name", mwFileTransfer_getFileName(file));
  field_count("size", mwFileTransfer_getFileSize(file));
  event_end();
}

static void on_file_opened(struct mwFileTransfer *file) {
  event("file-opened");
  field("with", mwFileTransfer_getUser(file)->user);
  event_end();
}

static void on_file_closed(struct mwFileTransfer *file, guint32 reason) {
  event("file-closed");
  field("with", mwFileTransfer_getUser(file)->user);
  field_number("reason", reason);
  event_end();
}

static void on_file_data(struct mwFileTransfer *file, struct mwOpaque *data) {
  (void) data;
  mwFileTransfer_ack(file);
}

static void on_file_ack(struct mwFileTransfer *file) {
  (void) file;
}

static struct mwFileTransferHandler file_handler = {
  .ft_offered = on_file_offered,
  .ft_opened = on_file_opened,
  .ft_closed = on_file_closed,
  .ft_recv = on_file_data,
  .ft_ack = on_file_ack,
};

/* ---- commands ---- */

static guint32 number(const char *word) {
  return (guint32) strtoul(word, NULL, 0);
}

/* auth rc2-40|rc2-128: before login; rc2-40 is what the library does with an old server */
static void do_auth(char **word, int count) {
  (void) count;
  weak_authentication = !strcmp(word[1], "rc2-40");
}

/* ciphers [rc2-40] [rc2-128]: before login; what this client offers and takes on channels */
static void do_ciphers(char **word, int count) {
  int i;

  mwCipher_free(mwSession_removeCipher(session, mwCipher_RC2_40));
  mwCipher_free(mwSession_removeCipher(session, mwCipher_RC2_128));
  for (i = 1; i < count; i++)
    mwSession_addCipher(session, !strcmp(word[i], "rc2-128") ? mwCipher_new_RC2_128(session)
                                                             : mwCipher_new_RC2_40(session));
}

/* features plain|rich: before login; whether conversations may carry HTML, subject and MIME */
static void do_features(char **word, int count) {
  (void) count;
  mwServiceIm_setClientType(im, strcmp(word[1], "plain") ? mwImClient_NOTESBUDDY : mwImClient_PLAIN);
}

/* client MINOR TYPE: before login; another protocol version and client program */
static void do_client(char **word, int count) {
  (void) count;
  mwSession_setProperty(session, mwSession_CLIENT_VER_MINOR, GUINT_TO_POINTER(number(word[1])), NULL);
  mwSession_setProperty(session, mwSession_CLIENT_TYPE_ID, GUINT_TO_POINTER(number(word[2])), NULL);
}

/* login: connects; "started", or "stopped" with a reason, or "stream-end" follows */
static void do_login(char **word, int count) {
  (void) word;
  (void) count;
  if (stream_open())
    mwSession_start(session);
  else
    complain("cannot connect", g_strerror(errno));
}

/* logout [REASON] */
static void do_logout(char **word, int count) {
  mwSession_stop(session, count > 1 ? number(word[1]) : 0);
}

/* drop: closes the stream without a logout */
static void do_drop(char **word, int count) {
  (void) word;
  (void) count;
  stream_close();
}

/* keepalive */
static void do_keepalive(char **word, int count) {
  (void) word;
  (void) count;
  mwSession_sendKeepalive(session);
}

/* sense SERVICE */
static void do_sense(char **word, int count) {
  (void) count;
  mwSession_senseService(session, number(word[1]));
}

/* status active|idle|away|busy|offline|NUMBER [TEXT] */
static void do_status(char **word, int count) {
  static const guint16 values[] = { mwStatus_OFFLINE, mwStatus_ACTIVE, mwStatus_IDLE, mwStatus_AWAY, mwStatus_BUSY };
  struct mwUserStatus status = { .status = 0, .time = 0, .desc = count > 2 ? word[2] : NULL };
  gsize i;

  status.status = (guint16) number(word[1]);
  for (i = 0; i < G_N_ELEMENTS(values); i++)
    if (!strcmp(word[1], status_name(values[i])))
      status.status = values[i];
  mwSession_setUserStatus(session, &status);
}

/* privacy deny|allow [USER]... */
static void do_privacy(char **word, int count) {
  struct mwUserItem users[WORDS_MAX];
  struct mwPrivacyInfo privacy = { .deny = !strcmp(word[1], "deny"), .count = 0, .users = users };

  memset(users, 0, sizeof users);
  for (; (int) privacy.count < count - 2; privacy.count++)
    users[privacy.count].id = word[privacy.count + 2];
  mwSession_setPrivacyInfo(session, &privacy);
}

/* announce TEXT RECIPIENT...: recipients are "@U user" and "@G group" */
static void do_announce(char **word, int count) {
  GList *recipients = NULL;
  int i;

  for (i = 2; i < count; i++)
    recipients = g_list_append(recipients, word[i]);
  mwSession_sendAnnounce(session, TRUE, word[1], recipients);
  g_list_free(recipients);
}

/* watch USER..., unwatch USER..., watch-group GROUP */
static void do_watch(char **word, int count) {
  change_watch(mwAware_USER, TRUE, word + 1, count - 1);
}

static void do_unwatch(char **word, int count) {
  change_watch(mwAware_USER, FALSE, word + 1, count - 1);
}

static void do_watch_group(char **word, int count) {
  change_watch(mwAware_GROUP, TRUE, word + 1, count - 1);
}

/* attribute-set KEY TEXT, attribute-unset KEY, attribute-watch KEY... */
static void do_attribute_set(char **word, int count) {
  struct mwOpaque value = { .len = strlen(word[2]), .data = (guchar *) word[2] };
  (void) count;
  mwServiceAware_setAttribute(aware, number(word[1]), &value);
}

static void do_attribute_unset(char **word, int count) {
  (void) count;
  mwServiceAware_unsetAttribute(aware, number(word[1]));
}

static void do_attribute_watch(char **word, int count) {
  int i;

  /* One by one: the library's function that takes an array never returns. */
  for (i = 1; i < count; i++)
    mwAwareList_watchAttributes(watched, number(word[i]), 0);
}

/* open USER: "im-opened" or "im-closed" follows */
static void do_open(char **word, int count) {
  struct mwConversation *conversation = conversation_with(word[1]);
  (void) count;
  if (mwConversation_isClosed(conversation))
    mwConversation_open(conversation);
}

/* close USER [REASON] */
static void do_close(char **word, int count) {
  mwConversation_close(conversation_with(word[1]), count > 2 ? number(word[2]) : 0);
}

/* text|html|subject|mime USER TEXT, typing USER yes|no */
static void do_text(char **word, int count) {
  (void) count;
  send_im(word, mwImSend_PLAIN, word[2]);
}

static void do_html(char **word, int count) {
  (void) count;
  send_im(word, mwImSend_HTML, word[2]);
}

static void do_subject(char **word, int count) {
  (void) count;
  send_im(word, mwImSend_SUBJECT, word[2]);
}

static void do_mime(char **word, int count) {
  (void) count;
  send_im(word, mwImSend_MIME, word[2]);
}

static void do_typing(char **word, int count) {
  (void) count;
  send_im(word, mwImSend_TYPING, GINT_TO_POINTER(!strcmp(word[2], "yes")));
}

/* resolve FLAGS QUERY... */
static void do_resolve(char **word, int count) {
  GList *queries = NULL;
  int i;

  for (i = 2; i < count; i++)
    queries = g_list_append(queries, word[i]);
  if (mwServiceResolve_resolve(resolver, queries, number(word[1]), on_resolved, NULL, NULL) == SEARCH_ERROR)
    complain("cannot ask", word[0]);
  g_list_free(queries);
}

/* save KEY TEXT, load KEY */
static void do_save(char **word, int count) {
  (void) count;
  mwServiceStorage_save(storage, mwStorageUnit_newString(number(word[1]), word[2]), on_saved, NULL, NULL);
}

static void do_load(char **word, int count) {
  (void) count;
  mwServiceStorage_load(storage, mwStorageUnit_new(number(word[1])), on_loaded, NULL, NULL);
}

/* save-contacts GROUP USER...: the list is composed by the library, as chat programs do */
static void do_save_contacts(char **word, int count) {
  struct mwSametimeList *list = mwSametimeList_new();
  struct mwSametimeGroup *group = mwSametimeGroup_new(list, mwSametimeGroup_NORMAL, word[1]);
  char *text;
  int i;

  mwSametimeGroup_setOpen(group, TRUE);
  for (i = 2; i < count; i++) {
    struct mwIdBlock id = { .user = word[i], .community = NULL };
    struct mwSametimeUser *user = mwSametimeUser_new(group, mwSametimeUser_NORMAL, &id);
    mwSametimeUser_setShortName(user, word[i]);
    mwSametimeUser_setAlias(user, word[i]);
  }
  text = mwSametimeList_store(list);
  mwServiceStorage_save(storage, mwStorageUnit_newString(mwStore_AWARE_LIST, text), on_saved, NULL, NULL);
  g_free(text);
  mwSametimeList_free(list);
}

/* load-contacts: one "contact" for each, then "contacts" */
static void do_load_contacts(char **word, int count) {
  (void) word;
  (void) count;
  mwServiceStorage_load(storage, mwStorageUnit_new(mwStore_AWARE_LIST), on_contacts, NULL, NULL);
}

/* conference TITLE */
static void do_conference(char **word, int count) {
  (void) count;
  mwConference_open(mwConference_new(conferences, word[1]));
}

/* place NAME */
static void do_place(char **word, int count) {
  (void) count;
  mwPlace_open(mwPlace_new(places, word[1], word[1]));
}

/* file USER NAME SIZE */
static void do_file(char **word, int count) {
  struct mwIdBlock id = { .user = word[1], .community = NULL };
  (void) count;
  mwFileTransfer_offer(mwFileTransfer_new(files, &id, NULL, word[2], number(word[3])));
}

/* quit */
static void do_quit(char **word, int count) {
  (void) word;
  (void) count;
  exit(0);
}

static const struct command {
  const char *name;
  int words_min; /* with the name */
  void (*run)(char **word, int count);
} commands[] = {
  { "announce", 3, do_announce },
  { "attribute-set", 3, do_attribute_set },
  { "attribute-unset", 2, do_attribute_unset },
  { "attribute-watch", 2, do_attribute_watch },
  { "auth", 2, do_auth },
  { "ciphers", 1, do_ciphers },
  { "client", 3, do_client },
  { "close", 2, do_close },
  { "conference", 2, do_conference },
  { "drop", 1, do_drop },
  { "features", 2, do_features },
  { "file", 4, do_file },
  { "html", 3, do_html },
  { "keepalive", 1, do_keepalive },
  { "load", 2, do_load },
  { "load-contacts", 1, do_load_contacts },
  { "login", 1, do_login },
  { "logout", 1, do_logout },
  { "mime", 3, do_mime },
  { "open", 2, do_open },
  { "place", 2, do_place },
  { "privacy", 2, do_privacy },
  { "quit", 1, do_quit },
  { "resolve", 3, do_resolve },
  { "save", 3, do_save },
  { "save-contacts", 3, do_save_contacts },
  { "sense", 2, do_sense },
  { "status", 2, do_status },
  { "subject", 3, do_subject },
  { "text", 3, do_text },
  { "typing", 3, do_typing },
  { "unwatch", 2, do_unwatch },
  { "watch", 2, do_watch },
  { "watch-group", 2, do_watch_group },
};

static void unescape(char *word) {
  char *to = word, hex[3] = { 0, 0, 0 };

  for (; *word; to++) {
    if (word[0] == '%' && word[1] && word[2]) {
      hex[0] = word[1];
      hex[1] = word[2];
      *to = (char) strtoul(hex, NULL, 16);
      word += 3;
    } else {
      *to = *word++;
    }
  }
  *to = 0;
}

static void run_line(char *line) {
  char *word[WORDS_MAX + 1] = { NULL };
  int count = 0;
  gsize i;

  while (line && count < WORDS_MAX) {
    char *space = strchr(line, ' ');
    if (space)
      *space++ = 0;
    unescape(line);
    word[count++] = line;
    line = space;
  }
  for (i = 0; i < G_N_ELEMENTS(commands); i++) {
    if (strcmp(commands[i].name, word[0]))
      continue;
    if (count < commands[i].words_min)
      complain("too few words", word[0]);
    else
      commands[i].run(word, count);
    if (close_wanted)
      stream_close();
    return;
  }
  complain("unknown command", word[0]);
}

/* Runs the complete lines of what was read; returns FALSE at the end of the input. */
static gboolean input_read(GString *input) {
  char buffer[16384], *end;
  ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);

  if (got < 0)
    return errno == EINTR;
  if (got == 0)
    return FALSE;
  g_string_append_len(input, buffer, got);
  while ((end = strchr(input->str, '\n'))) {
    char *line = g_strndup(input->str, (gsize) (end - input->str));
    g_string_erase(input, 0, end - input->str + 1);
    run_line(line);
    g_free(line);
  }
  return TRUE;
}

static void session_new(char *user, char *password) {
  session = mwSession_new(&session_handler);
  mwSession_setProperty(session, mwSession_AUTH_USER_ID, user, NULL);
  mwSession_setProperty(session, mwSession_AUTH_PASSWORD, password, NULL);
  mwSession_addCipher(session, mwCipher_new_RC2_40(session));
  mwSession_addCipher(session, mwCipher_new_RC2_128(session));

  aware = mwServiceAware_new(session, &aware_handler);
  watched = mwAwareList_new(aware, &aware_list_handler);
  conferences = mwServiceConference_new(session, &conference_handler);
  files = mwServiceFileTransfer_new(session, &file_handler);
  im = mwServiceIm_new(session, &im_handler);
  places = mwServicePlace_new(session, &place_handler);
  resolver = mwServiceResolve_new(session);
  storage = mwServiceStorage_new(session);
  mwServiceIm_setClientType(im, mwImClient_NOTESBUDDY);

  mwSession_addService(session, (struct mwService *) aware);
  mwSession_addService(session, (struct mwService *) conferences);
  mwSession_addService(session, (struct mwService *) files);
  mwSession_addService(session, (struct mwService *) im);
  mwSession_addService(session, (struct mwService *) places);
  mwSession_addService(session, (struct mwService *) resolver);
  mwSession_addService(session, (struct mwService *) storage);
}

int main(int argc, char **argv) {
  GString *input = g_string_new(NULL);

  if (argc != 5) {
    fputs("usage: driver HOST PORT USER PASSWORD\n", stderr);
    return 2;
  }
  host = argv[1];
  port = argv[2];
  first_frame = g_byte_array_new();
  g_log_set_default_handler(on_log, NULL);
  session_new(argv[3], argv[4]);

  for (;;) {
    struct pollfd polled[2] = {
      { .fd = STDIN_FILENO, .events = POLLIN, .revents = 0 },
      { .fd = sock, .events = POLLIN, .revents = 0 }, /* poll ignores it while it is -1 */
    };
    if (poll(polled, 2, -1) < 0)
      continue;
    if (polled[1].revents && sock >= 0)
      stream_read();
    if (polled[0].revents && !input_read(input))
      return 0;
  }
}
