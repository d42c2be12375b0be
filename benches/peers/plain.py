"""The plain way to send digests: a template, EmailMessage, smtplib, one connection. For benches/deliver.rs.

usage: plain.py PORT MAILS PAPERS.json     prints the seconds that it took

Uses jinja2 where it is installed, else an f-string that makes the same text. Nothing is kept, retried or signed.
"""

import html
import json
import smtplib
import sys
import time
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from datetime import datetime, timezone

STYLE = "margin:0 0 6px 0;font-family:Helvetica,Arial,sans-serif;font-size:14px;line-height:20px;color:#5d646c"
TITLE = "margin:0 0 6px 0;font-family:Georgia,Times,serif;font-size:18px;line-height:25px;font-weight:bold"

HTML = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{{ papers|length }} papers</title></head><body>
<table role="presentation" width="600">
{% for paper in papers %}<tr><td style="padding:20px 32px">
<h2 style="{{ title }}"><a href="{{ paper.url }}" style="color:#14567f">{{ paper.title }}</a></h2>
<p style="{{ style }}">{{ paper.authors }} · {{ paper.organization }}</p>
<p style="{{ style }}">{{ paper.upvotes }} upvotes</p>
<p style="{{ style }}">{{ paper.abstract }}</p>
<p style="{{ style }}">Because it matches {{ paper.because }}</p>
<p style="{{ style }}"><a href="{{ paper.code }}">Code</a></p></td></tr>
{% endfor %}</table><p><a href="{{ stop }}">Unsubscribe</a></p></body></html>
"""
TEXT = """{% for paper in papers %}
{{ paper.title }}
  {{ paper.url }}
  {{ paper.authors }} · {{ paper.organization }}
  {{ paper.upvotes }} upvotes

  {{ paper.abstract }}

  Because it matches {{ paper.because }}
  Code: {{ paper.code }}
{% endfor %}
{{ stop }}
"""


def renderers():
    """Two functions from papers and a link to HTML and to text."""
    try:
        import jinja2
    except ImportError:
        print("jinja2 is not installed: f-strings instead", file=sys.stderr)
        return by_hand_html, by_hand_text
    html_template = jinja2.Environment(autoescape=True).from_string(HTML)
    text_template = jinja2.Environment().from_string(TEXT)
    return (
        lambda papers, stop: html_template.render(papers=papers, stop=stop, style=STYLE, title=TITLE),
        lambda papers, stop: text_template.render(papers=papers, stop=stop),
    )


def by_hand_html(papers, stop):
    e = html.escape
    rows = "".join(
        f'<tr><td style="padding:20px 32px">\n<h2 style="{TITLE}"><a href="{e(p["url"])}" style="color:#14567f">'
        f'{e(p["title"])}</a></h2>\n<p style="{STYLE}">{e(p["authors"])} · {e(p["organization"])}</p>\n'
        f'<p style="{STYLE}">{p["upvotes"]} upvotes</p>\n<p style="{STYLE}">{e(p["abstract"])}</p>\n'
        f'<p style="{STYLE}">Because it matches {e(p["because"])}</p>\n'
        f'<p style="{STYLE}"><a href="{e(p["code"])}">Code</a></p></td></tr>\n'
        for p in papers
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{len(papers)} papers</title></head><body>\n'
        f'<table role="presentation" width="600">\n{rows}</table><p><a href="{e(stop)}">Unsubscribe</a></p></body></html>\n'
    )


def by_hand_text(papers, stop):
    parts = [
        f'\n{p["title"]}\n  {p["url"]}\n  {p["authors"]} · {p["organization"]}\n  {p["upvotes"]} upvotes\n\n'
        f'  {p["abstract"]}\n\n  Because it matches {p["because"]}\n  Code: {p["code"]}\n'
        for p in papers
    ]
    return "".join(parts) + f"\n{stop}\n"


def main():
    port, mails, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with open(path, encoding="utf-8") as file:
        papers = json.load(file)
    render_html, render_text = renderers()
    start, octets = time.monotonic(), 0
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        for number in range(mails):
            stop = f"https://papers.example.org/u/{number:032x}"
            message = EmailMessage()
            message["From"] = "Paperpost <papers@example.org>"
            message["To"] = f"reader{number}@example.org"
            message["Subject"] = f"{len(papers)} papers: {papers[0]['title'][:60]}"
            message["Date"] = format_datetime(datetime.now(timezone.utc))
            message["Message-ID"] = make_msgid(domain="example.org")
            message["List-Unsubscribe"] = f"<{stop}>"
            message.set_content(render_text(papers, stop))
            message.add_alternative(render_html(papers, stop), subtype="html")
            octets += len(message.as_bytes()) if number == 0 else 0
            smtp.send_message(message)
    print(time.monotonic() - start, octets)


main()
