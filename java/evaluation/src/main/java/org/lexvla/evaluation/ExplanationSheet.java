package org.lexvla.evaluation;

import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.util.ArrayList;
import java.util.List;
import org.lexvla.lexical.WeightedWord;

/** Square panels side by side on white, each with its title and how to read it: pictures and word clouds that belong together. */
public final class ExplanationSheet {
    /** Side of a panel in pixels. */
    public static final int PANEL = 800;

    private static final int GAP = 32;
    private static final int TITLE = 64;
    private static final int NOTE = 24;
    private static final Color INK = new Color(0x2A2530);
    private static final Color PALE_INK = new Color(0x6D6675);
    /** Round a picture, which may be as white as the paper. */
    private static final Color EDGE = new Color(0xE6E1EA);

    /**
     * A panel: a picture, or a cloud of words.
     *
     * @param title above it
     * @param note  below it: its scale, in a line
     * @param image of {@value #PANEL} x {@value #PANEL} pixels; null for a cloud
     * @param cloud null for a picture
     */
    public record Panel(String title, String note, BufferedImage image, WordCloud cloud) {
        /** A picture, brought to the size of a panel. */
        public static Panel of(String title, String note, BufferedImage image) {
            BufferedImage sized = image;
            if (image.getWidth() != PANEL || image.getHeight() != PANEL) {
                sized = new BufferedImage(PANEL, PANEL, BufferedImage.TYPE_INT_RGB);
                Graphics2D graphics = sized.createGraphics();
                graphics.setRenderingHint(RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BICUBIC);
                graphics.drawImage(image, 0, 0, PANEL, PANEL, null);
                graphics.dispose();
            }
            return new Panel(title, note, sized, null);
        }

        /** A cloud of words. */
        public static Panel of(String title, String note, List<WeightedWord> words) {
            return new Panel(title, note, null, WordCloud.of(words, PANEL, PANEL));
        }
    }

    private final List<Panel> panels = new ArrayList<>();

    /** Adds a panel at the right. */
    public ExplanationSheet add(Panel panel) {
        panels.add(panel);
        return this;
    }

    /** From left to right. */
    public List<Panel> panels() {
        return List.copyOf(panels);
    }

    /** All panels as one picture on white; needs a font of the machine. */
    public BufferedImage toImage() {
        int width = GAP + panels.size() * (PANEL + GAP);
        BufferedImage sheet = new BufferedImage(width, TITLE + PANEL + NOTE + GAP, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = sheet.createGraphics();
        graphics.setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
        graphics.setColor(Color.WHITE);
        graphics.fillRect(0, 0, sheet.getWidth(), sheet.getHeight());
        for (int i = 0; i < panels.size(); i++) {
            Panel panel = panels.get(i);
            int left = GAP + i * (PANEL + GAP);
            graphics.drawImage(panel.image != null ? panel.image : panel.cloud.toImage(), left, TITLE, null);
            graphics.setColor(INK);
            graphics.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 28));
            graphics.drawString(shortened(panel.title, graphics), left, TITLE - 20);
            graphics.setColor(PALE_INK);
            graphics.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 20));
            graphics.drawString(shortened(panel.note, graphics), left, TITLE + PANEL + NOTE + 4);
            graphics.setColor(EDGE);
            graphics.drawRect(left - 1, TITLE - 1, PANEL + 1, PANEL + 1);
        }
        graphics.dispose();
        return sheet;
    }

    /** Cut to the width of a panel. */
    private static String shortened(String title, Graphics2D graphics) {
        String text = title;
        while (text.length() > 2 && graphics.getFontMetrics().stringWidth(text) > PANEL) {
            text = text.substring(0, text.length() - 2).stripTrailing() + "…";
        }
        return text;
    }
}
