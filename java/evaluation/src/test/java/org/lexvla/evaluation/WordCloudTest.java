package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.awt.image.BufferedImage;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.WeightedWord;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

@Seeded
class WordCloudTest {
    @Test
    void wordsLieInsideAndApart(RandomSource random) {
        List<WeightedWord> words = words(random, 1 + random.nextInt(60));
        WordCloud cloud = WordCloud.of(words, 400, 300);
        List<double[]> boxes = cloud.boxes();
        for (int i = 0; i < boxes.size(); i++) {
            double[] a = boxes.get(i);
            assertThat(a[0]).isGreaterThanOrEqualTo(0);
            assertThat(a[1]).isGreaterThanOrEqualTo(0);
            assertThat(a[0] + a[2]).isLessThanOrEqualTo(400);
            assertThat(a[1] + a[3]).isLessThanOrEqualTo(300);
            for (double[] b : boxes.subList(0, i)) {
                boolean apart =
                        a[0] >= b[0] + b[2] || b[0] >= a[0] + a[2] || a[1] >= b[1] + b[3] || b[1] >= a[1] + a[3];
                assertThat(apart).as("%s", cloud.words()).isTrue();
            }
        }
    }

    @Test
    void theOrderOfTheWordsDoesNotMatter(RandomSource random) {
        List<WeightedWord> words = words(random, 30);
        List<WeightedWord> shuffled = new ArrayList<>(words);
        Collections.shuffle(shuffled, random);
        assertThat(WordCloud.of(shuffled, 400, 300).toSvg())
                .isEqualTo(WordCloud.of(words, 400, 300).toSvg());
    }

    @Test
    void lettersAreProportionalToTheWeightAndNoStrongWordIsDropped() throws Exception {
        List<WeightedWord> words = List.of(
                new WeightedWord("boat", 0.6f),
                new WeightedWord("sea", 0.3f),
                new WeightedWord("red", 0.15f),
                new WeightedWord("mist", 0.001f));
        WordCloud cloud = WordCloud.of(words, 400, 300);
        assertThat(cloud.words()).containsExactly("boat", "sea", "red");
        NodeList texts = parse(cloud.toSvg()).getElementsByTagName("text");
        double[] sizes = new double[3];
        for (int i = 0; i < 3; i++) {
            Element text = (Element) texts.item(i);
            sizes[i] = Double.parseDouble(text.getAttribute("font-size"));
            assertThat(text.getTextContent()).isEqualTo(cloud.words().get(i));
        }
        assertThat(sizes[1] / sizes[0]).isCloseTo(0.5, within(0.01));
        assertThat(sizes[2] / sizes[0]).isCloseTo(0.25, within(0.01));
    }

    @Test
    void aWordOfMarkupStaysAWord() throws Exception {
        WordCloud cloud = WordCloud.of(List.of(new WeightedWord("<b>&\"'", 1f)), 200, 200);
        assertThat(parse(cloud.toSvg()).getElementsByTagName("text").item(0).getTextContent())
                .isEqualTo("<b>&\"'");
    }

    @Test
    void thePictureShowsInkWhereTheBoxesAreAndNowhereElse() {
        WordCloud cloud = WordCloud.of(
                List.of(new WeightedWord("boat", 0.6f), new WeightedWord("house", 0.4f), new WeightedWord("sky", 0.3f)),
                300,
                200);
        BufferedImage image = cloud.toImage();
        int[] inside = new int[cloud.words().size()];
        for (int y = 0; y < 200; y++) {
            for (int x = 0; x < 300; x++) {
                if ((image.getRGB(x, y) & 0xFFFFFF) == 0xFFFFFF) {
                    continue;
                }
                int box = -1;
                for (int i = 0; i < inside.length; i++) {
                    double[] b = cloud.boxes().get(i);
                    if (x >= b[0] - 3 && x <= b[0] + b[2] + 3 && y >= b[1] - 3 && y <= b[1] + b[3] + 3) {
                        box = i;
                    }
                }
                assertThat(box).as("ink at %d,%d", x, y).isNotNegative();
                inside[box]++;
            }
        }
        for (int ink : inside) {
            assertThat(ink).isGreaterThan(40);
        }
    }

    @Test
    void nothingToShowAndBadInput() {
        assertThat(WordCloud.of(List.of(), 100, 100).words()).isEmpty();
        assertThatThrownBy(() -> WordCloud.of(List.of(), 10, 100))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("10x100");
    }

    private static List<WeightedWord> words(RandomSource random, int count) {
        List<WeightedWord> words = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            StringBuilder word = new StringBuilder();
            for (int letters = 1 + random.nextInt(11); letters > 0; letters--) {
                word.append((char) ('a' + random.nextInt(26)));
            }
            words.add(new WeightedWord(word.toString(), 0.02f + random.nextFloat()));
        }
        return words;
    }

    private static Element parse(String svg) throws Exception {
        return DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new InputSource(new StringReader(svg)))
                .getDocumentElement();
    }
}
