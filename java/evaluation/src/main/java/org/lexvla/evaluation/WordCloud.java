package org.lexvla.evaluation;

import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.font.GlyphVector;
import java.awt.geom.AffineTransform;
import java.awt.image.BufferedImage;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.lexvla.lexical.WeightedWord;

/**
 * A picture of weighted words: the height of a word is proportional to its weight, the strongest stands in the middle, the others
 * around it on a spiral, every third upright.
 *
 * <p>The layout depends on words, weights and size alone, not on the fonts of the machine: it reckons with a monospaced font of
 * {@value #ADVANCE} em per letter (DejaVu Sans Mono, Droid Sans Mono), and what draws it stretches the words to these widths.
 */
public final class WordCloud {
    private static final double ADVANCE = 0.602;
    private static final String ASCENDERS = "bdfhijklt";
    private static final String DESCENDERS = "gjpqy";
    /** Letters under this many pixels are not read by anybody. */
    private static final double SMALLEST = 8;

    private final int width;
    private final int height;
    private final List<Placed> words;

    private WordCloud(int width, int height, List<Placed> words) {
        this.width = width;
        this.height = height;
        this.words = List.copyOf(words);
    }

    /**
     * Lays out words.
     *
     * @param words any order, weights finite; those not positive, too weak to be read (letters under {@value #SMALLEST} pixels) or
     *     too many to fit are left out, the weakest first
     * @param width pixels
     * @param height pixels
     */
    public static WordCloud of(List<WeightedWord> words, int width, int height) {
        if (width < 40 || height < 40) {
            throw new IllegalArgumentException("word cloud of " + width + "x" + height + " pixels: at least 40x40");
        }
        List<WeightedWord> sorted = new ArrayList<>();
        for (WeightedWord word : words) {
            if (!Float.isFinite(word.weight())) {
                throw new IllegalArgumentException("weight of \"" + word.word() + "\" is " + word.weight());
            }
            if (word.weight() > 0 && !word.word().isEmpty()) {
                sorted.add(word);
            }
        }
        if (sorted.isEmpty()) {
            return new WordCloud(width, height, List.of());
        }
        sorted.sort((a, b) -> a.weight() != b.weight()
                ? Float.compare(b.weight(), a.weight())
                : a.word().compareTo(b.word()));
        // As large as fits with every word that is then large enough to be read.
        double letters = Math.min(
                height * 0.42, 0.92 * width / (ADVANCE * sorted.get(0).word().length()));
        Layout layout = new Layout(width, height);
        while (!layout.place(sorted, letters, false) && letters > 1.5 * SMALLEST) {
            letters *= 0.93;
            layout = new Layout(width, height);
        }
        if (letters <= 1.5 * SMALLEST) {
            layout = new Layout(width, height);
            layout.place(sorted, letters, true);
        }
        return new WordCloud(width, height, layout.placed);
    }

    /** The words that found a place, strongest first. */
    public List<String> words() {
        return words.stream().map(Placed::word).toList();
    }

    /** The boxes of {@link #words()}: x, y, width, height in pixels. No two overlap. */
    public List<double[]> boxes() {
        return words.stream()
                .map(word -> new double[] {word.x, word.y, word.boxWidth, word.boxHeight})
                .toList();
    }

    /** As an SVG element for a page; scales with its container. */
    public String toSvg() {
        StringBuilder svg = new StringBuilder();
        svg.append(String.format(
                Locale.ROOT,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\""
                        + " font-family=\"DejaVu Sans Mono, Droid Sans Mono, Menlo, Consolas, monospace\">",
                width,
                height,
                Markup.escape(String.join(" ", words()))));
        for (Placed word : words) {
            double x = word.upright ? word.x + word.ascent() : word.x;
            double y = word.upright ? word.y + word.boxHeight : word.y + word.ascent();
            svg.append(String.format(
                    Locale.ROOT,
                    "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.1f\" textLength=\"%.1f\" lengthAdjust=\"spacingAndGlyphs\""
                            + " fill=\"%s\"%s>%s</text>",
                    x,
                    y,
                    word.letters,
                    word.length(),
                    Magma.hex(word.colour),
                    word.upright ? String.format(Locale.ROOT, " transform=\"rotate(-90 %.1f %.1f)\"", x, y) : "",
                    Markup.escape(word.word)));
        }
        return svg.append("</svg>").toString();
    }

    /** As a picture on white; needs a font of the machine. */
    public BufferedImage toImage() {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
        graphics.setColor(Color.WHITE);
        graphics.fillRect(0, 0, width, height);
        Font font = new Font(Font.MONOSPACED, Font.PLAIN, 100);
        for (Placed word : words) {
            GlyphVector glyphs = font.createGlyphVector(graphics.getFontRenderContext(), word.word);
            double advance = glyphs.getGlyphPosition(glyphs.getNumGlyphs()).getX();
            AffineTransform place = new AffineTransform();
            if (word.upright) {
                place.translate(word.x + word.ascent(), word.y + word.boxHeight);
                place.rotate(-Math.PI / 2);
            } else {
                place.translate(word.x, word.y + word.ascent());
            }
            place.scale(word.length() / advance, word.letters / 100);
            graphics.setColor(word.colour);
            graphics.fill(place.createTransformedShape(glyphs.getOutline()));
        }
        graphics.dispose();
        return image;
    }

    /** A word with its place; the box is the one it takes as it stands, turned or not. */
    private record Placed(
            String word,
            double letters,
            boolean upright,
            double x,
            double y,
            double boxWidth,
            double boxHeight,
            Color colour) {
        double length() {
            return upright ? boxHeight : boxWidth;
        }

        double ascent() {
            return above(word) * letters;
        }

        boolean touches(double left, double top, double w, double h) {
            // A space along the line, else the end of one word reads as the beginning of the next.
            double across = 1 + 0.06 * letters;
            double along = 1 + 0.3 * letters;
            double gapX = upright ? across : along;
            double gapY = upright ? along : across;
            return left < x + boxWidth + gapX
                    && x < left + w + gapX
                    && top < y + boxHeight + gapY
                    && y < top + h + gapY;
        }
    }

    /** Height over the base line in em. */
    private static double above(String word) {
        return word.chars().anyMatch(c -> ASCENDERS.indexOf(c) >= 0 || c < 'a' || c > 'z') ? 0.77 : 0.57;
    }

    /** Depth under the base line in em. */
    private static double below(String word) {
        return word.chars().anyMatch(c -> DESCENDERS.indexOf(c) >= 0) ? 0.22 : 0.02;
    }

    /** Puts words on a spiral, one after another, each at the first free place. */
    private static final class Layout {
        private final int width;
        private final int height;
        private final List<Placed> placed = new ArrayList<>();

        Layout(int width, int height) {
            this.width = width;
            this.height = height;
        }

        /**
         * Places the words that are large enough to be read.
         *
         * @param letters size of the strongest in pixels
         * @param skip goes on after a word that finds no place
         * @return whether all found one
         */
        boolean place(List<WeightedWord> sorted, double letters, boolean skip) {
            boolean all = true;
            float strongest = sorted.get(0).weight();
            for (int i = 0; i < sorted.size(); i++) {
                WeightedWord word = sorted.get(i);
                double share = word.weight() / strongest;
                double size = letters * share;
                if (size < SMALLEST) {
                    break;
                }
                double length = ADVANCE * size * word.word().length();
                double thickness = size * (above(word.word()) + below(word.word()));
                // Deep violet for the weak to red for the strong, all dark enough to be read on white.
                double shade = 0.14 + 0.38 * share + 0.14 * ((i * 7) % 5) / 4.0;
                boolean upright = i % 3 == 2;
                if (!tryPlace(word.word(), size, upright, length, thickness, Magma.at(shade))
                        && !tryPlace(word.word(), size, !upright, length, thickness, Magma.at(shade))) {
                    all = false;
                    if (!skip) {
                        break;
                    }
                }
            }
            return all;
        }

        private boolean tryPlace(
                String word, double letters, boolean upright, double length, double thickness, Color colour) {
            double w = upright ? thickness : length;
            double h = upright ? length : thickness;
            double aspect = width / (double) height;
            double end = Math.hypot(width, height) / 2;
            double angle = 0;
            for (double radius = 0; radius < end; ) {
                double x = width / 2.0 + radius * aspect * Math.cos(angle) - w / 2;
                double y = height / 2.0 + radius * Math.sin(angle) - h / 2;
                if (free(x, y, w, h)) {
                    placed.add(new Placed(word, letters, upright, x, y, w, h, colour));
                    return true;
                }
                // Equal steps along the spiral, not equal angles; longer ones for larger words.
                double pixels = Math.max(2, 0.12 * letters);
                double step = pixels / Math.max(pixels, radius);
                angle += step;
                radius += pixels * step / 5;
            }
            return false;
        }

        private boolean free(double x, double y, double w, double h) {
            if (x < 1 || y < 1 || x + w > width - 1 || y + h > height - 1) {
                return false;
            }
            for (Placed other : placed) {
                if (other.touches(x, y, w, h)) {
                    return false;
                }
            }
            return true;
        }
    }
}
