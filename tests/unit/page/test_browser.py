"""The page in a real Chromium: by keyboard, for screen readers, light and dark, and live without losing the place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.chromium import WHERE_FROM, Tab, chromium, find_chromium
from tests.support.page import SmallCluster, serving_page, stored

pytestmark = pytest.mark.skipif(find_chromium() is None, reason=WHERE_FROM)

ROWS = "document.querySelectorAll('#canaries tbody tr').length"
EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@asynccontextmanager
async def opened(cluster: SmallCluster, path: str = "/") -> AsyncIterator[Tab]:
    async with serving_page(cluster) as url, chromium() as browser:
        tab = await browser()
        await tab.size(1280, 800)
        await tab.open(f"{url}{path}")
        await tab.wait("document.querySelector('#connection')?.textContent", lambda text: text == "Live")
        yield tab
        assert [error for error in tab.errors if "503" not in error] == []


def small_cluster() -> SmallCluster:
    cluster = SmallCluster()
    cluster.put(stored("catalog", "shop", phase="Succeeded", weight=0))
    cluster.put(stored("payments", "shop", weight=20))
    cluster.put(stored("search", "shop", phase="Failed", weight=0))
    return cluster


async def names(tab: Tab) -> list[str]:
    found: list[str] = await tab.look(
        "[...document.querySelectorAll('#canaries tbody .name')].map((e) => e.textContent)"
    )
    return found


# What screen readers find on the list: roles, and names where these matter.
LANDMARKS = (
    ("banner", ""),
    ("main", ""),
    ("contentinfo", ""),
    ("search", "Canaries"),
    ("heading", "Canaries"),
    ("table", "Canaries"),
    ("searchbox", "Filter"),
    ("combobox", "Show"),
    ("rowheader", "search shop"),
    ("link", "payments shop"),
)


async def test_the_list_by_keyboard_and_for_screen_readers() -> None:
    cluster = small_cluster()
    async with opened(cluster) as tab:
        await tab.wait(ROWS, lambda count: count == 3)
        assert await names(tab) == ["search", "payments", "catalog"]  # trouble, running, at rest

        roles = await tab.roles()
        for expected in LANDMARKS:
            assert any(role == expected[0] and (not expected[1] or name == expected[1]) for role, name in roles), (
                expected
            )
        heads = [name.rstrip(" ↕↑↓") for role, name in roles if role == "columnheader"]
        assert heads == [
            "Canary",
            "State",
            "Traffic to canary",
            "Pods (primary, canary)",
            "Failed checks",
            "What changed, by whom",
            "Since",
        ]
        assert len([role for role, _ in roles if role == "row"]) == 4
        assert ("cell", "20 %") in roles

        await tab.press("Tab")
        assert await tab.look("document.activeElement.textContent") == "Skip to the canaries"
        for _ in range(20):
            await tab.press("Tab")
            if await tab.look("document.activeElement.getAttribute('href')") == "#/shop/payments":
                break
        await tab.press("Enter")
        await tab.wait("document.activeElement.textContent", lambda text: text == "shop/payments")
        assert await tab.look("document.title") == "shop/payments - Serin"

        await tab.press("Tab")  # the first that can be reached behind the heading: what to type
        await tab.wait("document.querySelectorAll('.commands code').length", lambda count: count >= 7)
        texts = await tab.look("[...document.querySelectorAll('.commands code')].map((e) => e.textContent)")
        assert "serin abort payments -n shop" in texts
        roles = await tab.roles()
        for name in ("Now", "What to type", "Steps and weight", "Primary against canary", "Checks", "Last runs"):
            assert ("region", name) in roles
            assert ("heading", name) in roles
        assert ("button", "Copy: serin abort payments -n shop") in roles
        assert ("image", "Weight of the canary. canary: 20 % now") in roles
        assert await tab.look("document.querySelector('[aria-current=step]').textContent") == "20 %"
        for role, name in roles:
            assert name or role not in {"button", "link", "image", "searchbox", "combobox"}, role

        await tab.look("history.back()")
        await tab.wait("document.activeElement.getAttribute('href')", lambda href: href == "#/shop/payments")


async def test_an_update_keeps_focus_and_place_and_is_announced() -> None:
    cluster = small_cluster()
    async with opened(cluster) as tab:
        await tab.wait(ROWS, lambda count: count == 3)
        await tab.look("document.querySelector('a[href=\"#/shop/catalog\"]').focus()")
        cluster.put(stored("catalog", "shop", phase="Failed", weight=0))
        cluster.put(stored("new", "shop", phase="Initializing", weight=0))
        await tab.wait(ROWS, lambda count: count == 4)
        assert await names(tab) == ["catalog", "search", "new", "payments"]
        assert await tab.look("document.activeElement.getAttribute('href')") == "#/shop/catalog"
        said = await tab.wait(
            "document.querySelector('[aria-live=polite]').textContent", lambda text: "catalog" in text
        )
        assert "catalog in shop: Failed, needs attention" in said

        await tab.look("document.querySelector('#words').focus()")
        await tab.type("image 6.0.1 sea")
        await tab.wait(ROWS, lambda count: count == 1)
        assert await tab.look("document.querySelector('#count').textContent") == "1 of 4 canaries"
        cluster.put(stored("payments", "shop", weight=25))
        cluster.delete(stored("search", "shop"))
        await tab.wait(ROWS, lambda count: count == 0)
        assert await tab.look("document.activeElement.id") == "words"
        assert await tab.look("document.querySelector('#nothing').textContent") == "No canary matches."
        await tab.look(
            "const words = document.querySelector('#words'); words.value = ''; words.dispatchEvent(new Event('input'))"
        )
        await tab.wait(ROWS, lambda count: count == 3)

        await tab.look("document.querySelector('[data-sort=name] button').click()")
        await tab.wait(
            "document.querySelector('[data-sort=name]').getAttribute('aria-sort')", lambda sort: sort == "ascending"
        )
        await tab.wait("document.querySelector('#canaries tbody .name').textContent", lambda name: name == "catalog")
        await tab.look("document.querySelector('[data-sort=name] button').click()")
        await tab.wait("document.querySelector('#canaries tbody .name').textContent", lambda name: name == "payments")


async def test_a_canary_that_is_looked_at_is_live_and_keeps_focus() -> None:
    cluster = small_cluster()
    async with opened(cluster, "/#/shop/payments") as tab:
        await tab.wait("document.querySelectorAll('.commands button').length", lambda count: count >= 7)
        await tab.look("document.querySelectorAll('.commands button')[1].focus()")
        cluster.put(stored("payments", "shop", weight=25, ours={"sequence": 8}))
        await tab.wait("document.querySelector('[aria-current=step]').textContent", lambda text: text == "25 %")
        assert (
            await tab.look("document.activeElement.getAttribute('aria-label')") == "Copy: serin abort payments -n shop"
        )
        cluster.put(
            stored("payments", "shop", ours={"sequence": 9, "waitingFor": ["pause/3", "confirm-promotion/lead"]})
        )
        state = await tab.wait("document.querySelector('.facts dd').textContent", lambda text: "waits" in text)
        assert state == "Progressing, waits for somebody to resume step 3, confirm-promotion/lead"
        cluster.put(stored("payments", "shop", ready=("False", "TargetNotFound", "Deployment shop/payments is gone")))
        text = await tab.wait("document.querySelector('.problem').textContent", bool)
        assert text == "TargetNotFound: Deployment shop/payments is gone"


async def test_the_bar_of_evidence_has_its_mark_and_its_words_on_one_line() -> None:
    cluster = SmallCluster()
    evidence = {"name": "request-success-rate", "answer": "undecided", "text": "canary fails", "bar": -0.5}
    cluster.put(stored("podinfo", "test", ours={"evidence": [evidence]}))
    async with opened(cluster, "/#/test/podinfo") as tab:
        await tab.wait("document.querySelectorAll('.evidence i').length", lambda count: count == 1)
        heights = "[...document.querySelectorAll('.between > span:not(.evidence)')].map((e) => e.offsetHeight)"
        assert max(await tab.look(heights)) <= 24
        at = "const mark = document.querySelector('.evidence i'), bar = mark.parentElement; "
        share = "(mark.offsetLeft + mark.offsetWidth / 2) / bar.offsetWidth"
        assert 0.2 < await tab.look(f"(() => {{ {at} return {share}; }})()") < 0.3
        assert await tab.look("getComputedStyle(document.querySelector('.evidence i')).backgroundColor") != (
            "rgba(0, 0, 0, 0)"
        )


async def test_what_tenants_write_is_text() -> None:
    cluster = SmallCluster()
    obj = stored(
        ready=("False", EVIL, EVIL),
        ours={
            "change": {"revision": "r", "what": EVIL, "by": EVIL},
            "waitingFor": [EVIL],
            "news": [{"type": "Normal", "text": EVIL}],
            "checks": [
                {"name": EVIL, "unit": EVIL, "samples": [{"at": EVIL, "value": 1, "verdict": EVIL}], "reason": EVIL}
            ],
            "history": [dict.fromkeys(("revision", "change", "by", "startedAt", "endedAt", "outcome", "reason"), EVIL)],
        },
        lastAppliedSpec=EVIL,
        lastTransitionTime=EVIL,
    )
    cluster.put(obj)
    async with opened(cluster) as tab:
        await tab.wait(ROWS, lambda count: count == 1)
        await tab.look("location.hash = '#/test/podinfo'")
        await tab.wait("document.querySelector('.messages')?.textContent", lambda text: text and "onerror" in text)
        assert await tab.look("document.querySelectorAll('img, script').length") == 2  # the page's own
        assert await tab.look("document.title") == "test/podinfo - Serin"


async def test_no_script_from_elsewhere_runs_and_nothing_is_loaded_from_elsewhere() -> None:
    async with opened(SmallCluster()) as tab:
        refused = await tab.look(
            """
            new Promise((done) => {
              const refused = [];
              addEventListener('securitypolicyviolation', (event) => {
                refused.push(event.effectiveDirective);
                if (refused.length === 2) done(refused.sort());
              });
              document.body.append(Object.assign(document.createElement('img'), {src: 'http://127.0.0.1:1/x.png'}));
              document.body.setAttribute('style', 'color: red');
            })
            """
        )
        assert refused == ["img-src", "style-src-attr"]
        assert (
            await tab.look("try { document.body.innerHTML = '<b>x</b>'; 'done' } catch (error) { error.name }")
            == "TypeError"
        )
        tab.errors.clear()  # they were meant


async def test_light_and_dark_have_contrast_enough_to_be_read() -> None:
    """Text against its ground, by the formula of WCAG 2: 4.5 to 1 at least."""
    contrast = """
    (() => {
      const light = (color) => {
        const parts = color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
          .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
      };
      const ground = (element) => {
        for (let each = element; each; each = each.parentElement) {
          const color = getComputedStyle(each).backgroundColor;
          if (!color.startsWith('rgba(0, 0, 0, 0')) return color;
        }
        return 'rgb(255, 255, 255)';
      };
      const weak = [];
      for (const element of document.querySelectorAll('body *')) {
        if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
        if (!element.checkVisibility()) continue;
        const [one, other] = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => b - a);
        const ratio = (one + 0.05) / (other + 0.05);
        if (ratio < 4.5) weak.push([element.className, element.textContent.slice(0, 20), ratio]);
      }
      return weak;
    })()
    """
    cluster = small_cluster()
    cluster.put(stored("waits", "shop", ours={"waitingFor": ["confirm-promotion/gate"]}))
    async with opened(cluster) as tab:
        await tab.wait(ROWS, lambda count: count == 4)
        grounds = []
        for view in ("#/", "#/shop/waits"):
            await tab.look(f"location.hash = '{view}'")
            await tab.wait("document.querySelector('.commands, #canaries tbody tr') !== null")
            for scheme in ("light", "dark"):
                await tab.prefer(scheme)
                grounds.append(await tab.look("getComputedStyle(document.body).backgroundColor"))
                assert await tab.look(contrast) == []
        assert grounds == ["rgb(255, 255, 255)", "rgb(20, 23, 28)"] * 2


async def test_an_agent_that_goes_is_said_to_be_gone_and_one_that_comes_back_is_found() -> None:
    cluster = small_cluster()
    async with chromium() as browser:
        tab = await browser()
        async with serving_page(cluster) as url:
            port = int(url.rpartition(":")[2])
            await tab.open(url)
            await tab.wait(ROWS, lambda count: count == 3)
        text = await tab.wait("document.querySelector('#connection').textContent", lambda text: text != "Live")
        assert "last news at" in text
        cluster.delete(stored("search", "shop"))
        async with serving_page(cluster, port=port):
            await tab.wait("document.querySelector('#connection').textContent", lambda text: text == "Live")
            await tab.wait(ROWS, lambda count: count == 2)
            await asyncio.sleep(0)
