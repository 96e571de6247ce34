/**
 * A web page over an index of pictures: search by text, by picture and by words, and see why. {@link
 * org.lexvla.server.SearchServer} is the door; everything else is behind it.
 */
package org.lexvla.server;
