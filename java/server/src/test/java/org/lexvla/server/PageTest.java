package org.lexvla.server;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The page in a headless Chromium, clicked and typed at as people do. Skipped where there is none; {@code -Dlexvla.chromium=…} says
 * where it is. What the page looked like lies in {@code target/page/}.
 */
class PageTest {
    private static final Path LOOKS = Path.of("target", "page");
    private static final String PICTURES_COMPLETE =
            "[...document.querySelectorAll('.card img')].slice(0, 4).every(i => i.complete && i.naturalWidth > 0)";

    @TempDir
    static Path directory;

    private static SmallWorld world;
    private static Browser browser;

    @BeforeAll
    static void start() throws Exception {
        Optional<Path> chromium = Browser.find();
        Assumptions.assumeTrue(
                chromium.isPresent(),
                "no Chromium on the path: install one (Debian: apt-get install chromium), or say where it is with"
                        + " -Dlexvla.chromium=FILE");
        world = new SmallWorld(directory);
        // Not in the temporary directory: it may still be written when that is removed.
        browser = Browser.start(chromium.get(), Files.createTempDirectory(Files.createDirectories(LOOKS), "profile"));
    }

    @AfterAll
    static void stop() {
        if (browser != null) {
            browser.close();
        }
        if (world != null) {
            world.close();
        }
    }

    @AfterEach
    void nothingToComplainOf() {
        assertThat(browser.complaints()).isEmpty();
    }

    private void open(String fragment) throws Exception {
        browser.look(1280, 900, false);
        browser.open(world.server.address() + fragment);
        browser.until("document.querySelectorAll('.card').length > 0");
    }

    private static int count(String selector) throws Exception {
        return browser.evaluate("document.querySelectorAll('" + selector + "').length")
                .asInt();
    }

    private static String text(String selector) throws Exception {
        return browser.evaluate("document.querySelector('" + selector + "').textContent")
                .asText();
    }

    @Test
    void searchesByText() throws Exception {
        open("");
        assertThat(text("#status")).contains("30 pictures");
        browser.click("#text");
        browser.type("a red square");
        browser.press("Enter", 13);
        browser.until("document.querySelectorAll('.chip').length > 0 && document.querySelector('.score') !== null");
        browser.until(PICTURES_COMPLETE);
        assertThat(count(".card")).isEqualTo(24);
        assertThat(text("#status")).startsWith("The best 24 of 30 pictures");
        assertThat(browser.evaluate("location.hash").asText()).isEqualTo("#q=a+red+square");
        browser.picture(LOOKS.resolve("text.png"));
        browser.click("#more");
        browser.until("document.querySelectorAll('.card').length > 24");
    }

    @Test
    void aMistypedWordIsPutRightByAClick() throws Exception {
        open("#q=square+sqaure");
        browser.until("!document.querySelector('#unknown').hidden");
        assertThat(text("#unknown"))
                .contains("“sqaure” is not in the vocabulary")
                .doesNotContain("No word");
        browser.picture(LOOKS.resolve("unknown.png"));
        browser.evaluate(
                "[...document.querySelectorAll('#unknown .near')].find(b => b.textContent === 'square').click()");
        browser.until("document.querySelector('#unknown').hidden && document.querySelector('.score') !== null");
        assertThat(browser.evaluate("location.hash").asText()).isEqualTo("#q=square+square");
        assertThat(browser.evaluate("document.querySelector('#text').value").asText())
                .isEqualTo("square square");
        open("#q=xqzzw");
        browser.until("!document.querySelector('#unknown').hidden");
        assertThat(text("#unknown")).contains("No word of this text is in the vocabulary");
    }

    @Test
    void wordsAreSwitchedOffAndWeighed() throws Exception {
        open("#q=a+blue+disc");
        browser.until("document.querySelector('.score') !== null");
        String word = text(".chip .word");
        String before = text("#results");
        browser.click(".chip .word");
        browser.until("document.querySelector('#results').textContent !== " + quoted(before));
        assertThat(text(".chip output")).isEqualTo("off");
        assertThat(browser.evaluate("location.hash").asText()).contains("f=" + word + "%3A0");
        // Home is the left end of a slider, End the right one.
        browser.evaluate("document.querySelector('.chip input').focus()");
        browser.press("End", 35);
        browser.until("document.querySelector('#results').textContent !== " + quoted(before)
                + " && document.querySelector('.chip output').textContent !== 'off' && location.hash.includes('%3A2')");
        browser.click("#reset");
        browser.until("document.querySelector('#results').textContent === " + quoted(before));
    }

    private static String quoted(String text) {
        return "`" + text.replace("\\", "\\\\").replace("`", "\\`") + "`";
    }

    @Test
    void aWordIsSuggestedAndAddedByKeyboard() throws Exception {
        String word = world.index.vector("pictures/3.png").top(1).get(0).word();
        open("");
        browser.click("#word");
        browser.type(word);
        browser.until("!document.querySelector('#suggestions').hidden");
        assertThat(text("#suggestions li")).startsWith(word);
        browser.press("ArrowDown", 40);
        assertThat(browser.evaluate("document.querySelector('#word').getAttribute('aria-activedescendant')")
                        .asText())
                .isEqualTo("suggestion-0");
        browser.press("Enter", 13);
        browser.until("document.querySelector('.chip.added') !== null && document.querySelector('.score') !== null");
        assertThat(text(".chip.added .word")).isEqualTo(word);
        browser.click(".chip.added .remove");
        browser.until("document.querySelector('.score') === null");
    }

    @Test
    void theSuggestionThatIsMarkedIsTheOneThatIsReadOut() throws Exception {
        open("");
        browser.click("#word");
        // No word begins so: the first row says it, and is no suggestion.
        browser.type("squqre");
        browser.until("document.querySelector('#suggestions .note') !== null");
        browser.press("ArrowDown", 40);
        assertThat(browser.evaluate("document.getElementById(document.querySelector('#word')"
                                + ".getAttribute('aria-activedescendant')).getAttribute('aria-selected')")
                        .asText())
                .isEqualTo("true");
        assertThat(text("#suggestions [aria-selected=true]")).isEqualTo("square");
    }

    @Test
    void anUnknownWordIsSaidAndNearOnesAreOffered() throws Exception {
        open("");
        browser.click("#word");
        browser.type("squqre");
        browser.press("Enter", 13);
        browser.until("!document.querySelector('#error').hidden");
        assertThat(text("#error")).contains("\"squqre\" is not among", "square");
        assertThat(count(".chip")).isZero();
        browser.picture(LOOKS.resolve("unknown-word.png"));
        browser.click(".near");
        browser.until("document.querySelector('.chip.added') !== null && document.querySelector('#error').hidden");
        // The browser notes every answer of 400.
        assertThat(browser.complaints()).allMatch(said -> said.contains("status of 400"));
    }

    @Test
    void aPictureIsSentAndSearchedWith() throws Exception {
        Path file = directory.resolve("mine.png");
        ImageIO.write(SmallWorld.drawn("yellow", "disc", 5), "png", file.toFile());
        open("");
        browser.choose("#file", file);
        browser.until("document.querySelector('.score') !== null && !document.querySelector('#given').hidden");
        browser.until("document.querySelector('#given img').naturalWidth > 0");
        browser.click("#given .given");
        browser.until("document.querySelector('#cloud svg') !== null");
        assertThat(text("#name")).isEqualTo("Your picture");
        browser.click("#similar");
        browser.until("!document.querySelector('#picture').open");
    }

    @Test
    void aHitShowsItsWordsThoseOfPatchesAndWhereATextIs() throws Exception {
        open("#q=a+white+square");
        browser.until("document.querySelector('.score') !== null");
        browser.click(".card");
        browser.until(
                "document.querySelector('#cloud svg') !== null && document.querySelector('#square').naturalWidth > 0");
        assertThat(count("#shares .bar")).isPositive();
        assertThat(text("#whose")).isEqualTo("Words of the picture");
        assertThat(browser.evaluate("location.hash").asText()).contains("id=");
        browser.picture(LOOKS.resolve("picture.png"));

        browser.drag("#grid", 0.1, 0.1, 0.4, 0.6);
        browser.until("document.querySelector('#whose').textContent === 'Words of 6 patches'");
        browser.drag("#grid", 0.1, 0.1, 0.1, 0.1);
        browser.until("document.querySelector('#whose').textContent === 'Words of 5 patches'");
        browser.click("#as-list");
        assertThat(count("#list .bar")).isPositive();
        browser.picture(LOOKS.resolve("patches.png"));
        browser.click("#clear");
        browser.until("document.querySelector('#whose').textContent === 'Words of the picture'");

        String plain = pixels();
        browser.click("#sought");
        browser.type("a white square");
        browser.press("Enter", 13);
        browser.until("document.querySelector('#found').textContent.includes('scores')");
        assertThat(pixels()).isNotEqualTo(plain);
        browser.picture(LOOKS.resolve("heat.png"));
        browser.click("#list .bar");
        browser.until(
                "document.querySelector('#found').textContent.startsWith('“' + document.querySelector('#list b').textContent)");
        browser.picture(LOOKS.resolve("word.png"));

        // By keyboard: from the middle one to the right, chosen, and back.
        browser.evaluate("document.querySelector('#grid').focus()");
        browser.press("ArrowRight", 39);
        browser.press("ArrowRight", 39);
        browser.press(" ", 32);
        browser.until("document.querySelector('#whose').textContent === 'Words of one patch'");
        browser.click("#close");
        assertThat(browser.evaluate("document.querySelector('#picture').open").asBoolean())
                .isFalse();
    }

    @Test
    void anAnswerThatComesLateChangesNothing() throws Exception {
        open("#q=a+white+square");
        browser.until("document.querySelector('.score') !== null");
        browser.click(".card");
        browser.until("document.querySelectorAll('#list .bar').length > 1");
        browser.evaluate("{ const at = window.fetch; let first = true; window.late = false;"
                + " window.fetch = async (address, how) => { const answer = await at(address, how);"
                + " if (first && String(address).includes('/api/heat')) { first = false;"
                + " await new Promise(done => setTimeout(done, 400)); setTimeout(() => { window.late = true; }, 50); }"
                + " return answer; }; }");
        browser.evaluate("[...document.querySelectorAll('#list .bar')].slice(0, 2).forEach(bar => bar.click())");
        String second = browser.evaluate("document.querySelectorAll('#list b')[1].textContent")
                .asText();
        browser.until("document.querySelector('#found').textContent.startsWith('“" + second + "”')");
        browser.until("window.late");
        assertThat(text("#found")).startsWith("“" + second + "”");
    }

    /** What is drawn over the picture. */
    private static String pixels() throws Exception {
        return browser.evaluate("document.querySelector('#grid').toDataURL()").asText();
    }

    @Test
    void namesOfFilesAreNeverMarkup() throws Exception {
        open("#like=" + URLEncoder.encode(SmallWorld.STRANGE, StandardCharsets.UTF_8));
        browser.until("document.querySelector('.score') !== null");
        browser.evaluate("document.querySelector('[data-id^=\"sub/\"]').click()");
        browser.until("document.querySelector('#cloud svg') !== null");
        assertThat(text("#name")).isEqualTo("<img src=x onerror=alert(1)>&.png");
        assertThat(count("img[src=x]")).isZero();
    }

    @Test
    void fitsAPhoneAndTheDark() throws Exception {
        open("#q=a+green+bar");
        browser.until("document.querySelector('.score') !== null");
        browser.look(390, 844, true);
        browser.until("document.documentElement.dataset.theme === 'dark'");
        browser.until(PICTURES_COMPLETE);
        assertThat(browser.evaluate("document.documentElement.scrollWidth").asInt())
                .isLessThanOrEqualTo(390);
        browser.picture(LOOKS.resolve("phone.png"));
        browser.click(".card");
        browser.until("document.querySelector('#cloud svg') !== null");
        assertThat(browser.evaluate("document.querySelector('#picture').scrollWidth")
                        .asInt())
                .isLessThanOrEqualTo(390);
        browser.picture(LOOKS.resolve("phone-picture.png"));
    }
}
