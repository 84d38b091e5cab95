"""A real SMTP server for tests and the sample evening: aiosmtpd, which keeps every mail with its time.

Each mail becomes a JSON file in FOLDER/mails, named by the time at which it was accepted. The file
FOLDER/mode, read anew for every mail, says how the server behaves:
  ok               takes everything (also if there is no such file)
  refuse           answers every recipient with 550
  later            answers every mail with 451
  slow SECONDS     takes every mail after so long
"""
import argparse
import asyncio
import email
import email.policy
import json
import os
import signal
import ssl
import sys
import time

from aiosmtpd.smtp import SMTP, AuthResult


class Inbox:
    def __init__(self, folder):
        self.folder = folder
        self.mails = os.path.join(folder, "mails")
        os.makedirs(self.mails, exist_ok=True)

    def mode(self):
        try:
            with open(os.path.join(self.folder, "mode"), encoding="utf-8") as file:
                return file.read().split() or ["ok"]
        except FileNotFoundError:
            return ["ok"]

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.mode()[0] == "refuse":
            return f"550 5.1.1 <{address}> is not known here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mode = self.mode()
        if mode[0] == "later":
            return "451 4.3.0 come again later"
        if mode[0] == "slow":
            await asyncio.sleep(float(mode[1]))
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        now = time.time_ns()
        kept = {
            "at": now / 1e9,
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": mail["subject"],
            "message_id": mail["message-id"],
            "text": mail.get_body().get_content() if mail.get_body() else "",
            "raw": envelope.content.decode("utf-8", "replace"),
            "secured": session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None,
            "login": session.auth_data.decode() if isinstance(session.auth_data, bytes) else None,
        }
        path = os.path.join(self.mails, f"{now:020}.json")
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(kept, file)
        os.rename(path + ".new", path)
        return "250 2.0.0 taken"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls", choices=["none", "starttls", "implicit"], default="none")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--login", help="USER:PASSWORD that a client has to know")
    parser.add_argument("--with-stdin", action="store_true", help="ends when standard input does")
    return parser.parse_args()


async def main():
    wanted = arguments()
    inbox = Inbox(wanted.folder)
    context = None
    if wanted.tls != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(wanted.certificate, wanted.key)

    def authenticate(server, session, envelope, mechanism, data):
        known = f"{data.login.decode()}:{data.password.decode()}" == wanted.login
        return AuthResult(success=known, handled=True, auth_data=data.login if known else None)

    def serve():
        options = {"hostname": "inbox.example", "enable_SMTPUTF8": True}
        if wanted.login:
            options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False}
        if wanted.tls == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        return SMTP(inbox, **options)

    loop = asyncio.get_running_loop()
    implicit = context if wanted.tls == "implicit" else None
    server = await loop.create_server(serve, "127.0.0.1", wanted.port, ssl=implicit, reuse_address=True)
    ended = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ended.set)
    if wanted.with_stdin:
        loop.add_reader(sys.stdin.fileno(), lambda: os.read(sys.stdin.fileno(), 4096) or ended.set())
    print(f"listening on 127.0.0.1:{wanted.port}", flush=True)
    await ended.wait()
    server.close()


asyncio.run(main())
