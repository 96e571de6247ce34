package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.awt.image.BufferedImage;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class LineChartTest {
    @Test
    void pointsLieBetweenTheAxesAndAxesHaveRoundNumbers() throws Exception {
        Element chart = parse(LineChart.of("step", "loss <x>")
                .line("one", new double[] {0, 40, 97}, new double[] {7.3, 2, 0.4})
                .line("two", new double[] {0, 97}, new double[] {3, Double.NaN})
                .toSvg(480, 260));
        assertThat(texts(chart)).contains("0", "20", "100", "2", "8", "step", "loss <x>", "one", "two");
        NodeList lines = chart.getElementsByTagName("polyline");
        assertThat(lines.getLength()).isEqualTo(2);
        String[] points = ((Element) lines.item(0)).getAttribute("points").split(" ");
        assertThat(points).hasSize(3);
        double[] first = point(points[0]);
        double[] last = point(points[2]);
        assertThat(first[0]).isEqualTo(56);
        assertThat(last[0]).isBetween(415.0, 441.0);
        assertThat(first[1]).as("7.3 is near the top").isBetween(14.0, 50.0);
        assertThat(last[1]).as("0.4 is near the bottom").isBetween(190.0, 214.0);
        assertThat(((Element) lines.item(1)).getAttribute("points").split(" ")).hasSize(1);
    }

    @Test
    void anEmptyChartAndAFlatLineStillHaveAxes() throws Exception {
        assertThat(texts(parse(LineChart.of("x", "y").toSvg(300, 200)))).contains("0.0", "1.0");
        Element flat = parse(LineChart.of("x", "y")
                .line("flat", new double[] {1, 2}, new double[] {5, 5})
                .toSvg(300, 200));
        for (String at : ((Element) flat.getElementsByTagName("polyline").item(0))
                .getAttribute("points")
                .split(" ")) {
            assertThat(point(at)[1]).isBetween(14.0, 154.0);
        }
    }

    @Test
    void theVerticalAxisBeginsAtZeroWhenAsked() throws Exception {
        LineChart chart = LineChart.of("x", "y").line("high", new double[] {1, 2}, new double[] {0.8, 0.9});
        assertThat(texts(parse(chart.toSvg(300, 200)))).doesNotContain("0.0").contains("0.80");
        assertThat(texts(parse(chart.fromZero().toSvg(300, 200)))).contains("0.0", "1.0");
    }

    @Test
    void namesNeitherOverlapNorReachTheAxis() throws Exception {
        LineChart chart = LineChart.of("x", "y");
        for (String name : List.of("a", "b", "c", "d")) {
            chart.line(name, new double[] {0, 1}, new double[] {1, 0});
        }
        List<Double> heights = new ArrayList<>();
        NodeList nodes = parse(chart.toSvg(300, 200)).getElementsByTagName("text");
        for (int i = 0; i < nodes.getLength(); i++) {
            Element text = (Element) nodes.item(i);
            if (text.getTextContent().matches("[abcd]")) {
                heights.add(Double.parseDouble(text.getAttribute("y")));
            }
        }
        heights.sort(null);
        assertThat(heights).hasSize(4);
        assertThat(heights.get(3)).isLessThanOrEqualTo(154);
        for (int i = 1; i < 4; i++) {
            assertThat(heights.get(i) - heights.get(i - 1)).isGreaterThanOrEqualTo(14.9);
        }
    }

    @Test
    void thePictureShowsTheLineInItsColour() {
        BufferedImage picture = LineChart.of("x", "y")
                .line("a", new double[] {0, 1}, new double[] {0, 1})
                .toImage(300, 200);
        assertThat(picture.getWidth()).isEqualTo(600);
        assertThat(picture.getHeight()).isEqualTo(400);
        assertThat(picture.getRGB(0, 0)).isEqualTo(0xFFFFFFFF);
        // The middle of the line: between the axes at x 56 and 275, y 154 and 14, at twice the size.
        assertThat(picture.getRGB(56 + 275, 154 + 14)).isEqualTo(0xFF832681);
    }

    @Test
    void lengthsMustFit() {
        assertThatThrownBy(() -> LineChart.of("x", "y").line("odd", new double[2], new double[3]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"odd\"");
    }

    private static List<String> texts(Element chart) {
        List<String> texts = new ArrayList<>();
        NodeList nodes = chart.getElementsByTagName("text");
        for (int i = 0; i < nodes.getLength(); i++) {
            texts.add(nodes.item(i).getTextContent());
        }
        return texts;
    }

    private static double[] point(String text) {
        String[] parts = text.split(",");
        return new double[] {Double.parseDouble(parts[0]), Double.parseDouble(parts[1])};
    }

    private static Element parse(String svg) throws Exception {
        return DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new InputSource(new StringReader(svg)))
                .getDocumentElement();
    }

    @Test
    void aLogarithmicAxisGivesEachFactorTheSameRoom() {
        String svg = LineChart.of("words", "R@1")
                .logarithmic()
                .line("curve", new double[] {0, 0.5, 5, 50, 392}, new double[] {1, 0, 0.5, 0.8, 0.9})
                .toSvg(420, 200);
        assertThat(svg).contains(">1<", ">10<", ">100<").doesNotContain("NaN", ">0.1<");
        Matcher points = Pattern.compile("cx=\"([0-9.]+)\"").matcher(svg);
        List<Double> x = new ArrayList<>();
        while (points.find()) {
            x.add(Double.valueOf(points.group(1)));
        }
        // The one at 0 has no place.
        assertThat(x).hasSize(4);
        assertThat(x.get(1) - x.get(0)).isCloseTo(x.get(2) - x.get(1), within(0.11));
        assertThat(LineChart.of("x", "y").logarithmic().toSvg(300, 200)).doesNotContain("NaN");
    }
}
